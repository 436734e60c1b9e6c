# SPDX-License-Identifier: Apache-2.0
"""One old checkpoint: read under zoo's restricted rules, renamed, written as ``.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.errors import CheckpointError, ConfigError
from zoo_openmmlab_migration.checkpoints.renaming import Renamed, rename_weights
from zoo_openmmlab_migration.configs.migration import MigratedConfig, is_new, migrate_config
from zoo_openmmlab_migration.ledger import Ledger
from zoo_openmmlab_migration.reading.files import read_config_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MigratedCheckpoint", "migrate_checkpoint"]

_KEPT_APART = {
    "optimizer": "the state of the optimizer; mmengine cannot continue a run of mmcv 1.x",
    "meta": "classes, palette and the config were taken from it",
    "scheduler": "the state of a schedule",
    "amp": "the state of apex",
}


@dataclass(slots=True)
class MigratedCheckpoint:
    """Weights of the new generation.

    Attributes:
        weights: Name -> tensor.
        copies: The copies ``ema_*`` by the new names of their weights; mostly empty.
        note: What the header of the file says: classes, palette, source.
        names: Old name -> new name, for names that changed; None for a buffer left out.
        architectures: What was recognized, for people.
        config: The config that the checkpoint carries, migrated; None without a readable one.
        ledger: What became of the other parts.
    """

    weights: Mapping[str, Tensor]
    copies: Mapping[str, Tensor]
    note: dict[str, Any]
    names: dict[str, str | None]
    architectures: tuple[str, ...]
    config: MigratedConfig | None = None
    ledger: Ledger = field(default_factory=Ledger)


def migrate_checkpoint(path: Path) -> MigratedCheckpoint:
    """Read an old checkpoint and rename what is called otherwise now.

    Args:
        path: A ``.pth`` or ``.safetensors``; not changed.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: It cannot be read, or mmengine wrote it.
        ConversionError: Two names would become one.
    """
    checkpoint = zoo.load_checkpoint(path)
    if "mmengine_version" in checkpoint.meta or "message_hub" in checkpoint.rest:
        message = f"cannot migrate {path.name!r}: mmengine wrote it, expected a checkpoint of "
        message += "mmseg 0.x or mmdet 2.x."
        raise CheckpointError(message, path=path, hint="use it as it is.")
    renamed = rename_weights(checkpoint.state_dict)
    copies = {renamed.names.get(name, name) or name: v for name, v in checkpoint.copies.items()}
    note: dict[str, Any] = {"source_name": path.name}
    if checkpoint.classes:
        note["classes"] = list(checkpoint.classes)
    if checkpoint.palette:
        note["palette"] = [list(color) for color in checkpoint.palette]
    made = MigratedCheckpoint(renamed.weights, copies, note, renamed.names, renamed.architectures)
    _note_weights(made, renamed)
    _note_rest(made, checkpoint.rest)
    _read_config(made, path, checkpoint.meta)
    return made


def _note_weights(made: MigratedCheckpoint, renamed: Renamed) -> None:
    for title in renamed.architectures:
        changed = sum(new is not None for new in renamed.names.values())
        made.ledger.change("state_dict", f"{title}: {changed} names changed")
    left = [old for old, new in renamed.names.items() if new is None]
    if left:
        made.ledger.drop(
            "state_dict", f"{len(left)} buffers that the model computes: {left[0]}, ..."
        )
    if made.copies:
        text = f"{len(made.copies)} copies in a file of their own, by the names of the weights; "
        text += "at the end of an epoch the weights are the average, and these what training "
        text += "went on from"
        made.ledger.change("ema_*", text)


def _note_rest(made: MigratedCheckpoint, rest: tuple[str, ...]) -> None:
    for name in rest:
        if not name.endswith("ema_*"):
            made.ledger.drop(name, _KEPT_APART.get(name, "no part of the weights"))


def _read_config(made: MigratedCheckpoint, path: Path, meta: Mapping[str, Any]) -> None:
    """Migrate the config that runs of mmseg 0.x and mmdet 2.x store as a text."""
    text = meta.get("config")
    if not isinstance(text, str) or not text.strip():
        made.ledger.drop("meta.config", "the file carries no config")
        return
    try:
        old = read_config_text(path, text)
        made.config = None if is_new(old.values) else migrate_config(old)
    except ConfigError as error:
        why = f"its text cannot be migrated: {error.message.rstrip('.')}"
        made.ledger.lose("meta.config", why, "migrate the config file itself.")
        return
    made.ledger.change("meta.config", "migrated beside the weights")
