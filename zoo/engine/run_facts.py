# SPDX-License-Identifier: Apache-2.0
"""What a run left behind, put together for publishing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints import find_checkpoint
from zoo.engine.config import read_config
from zoo.engine.data_facts import facts_of_folder, facts_of_loader
from zoo.engine.models import find_best_checkpoint, find_dumped_config
from zoo.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["RunFacts", "find_run"]

_VERSIONS = ("torch", "mmengine", "mmcv-lite", "mmcv", "mmsegmentation", "mmdet")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, ready to be published.

    Attributes:
        config: Resolved, as trained.
        config_name: Its name.
        checkpoint: Its best checkpoint, or the one that was named.
        work_dir: Its folder.
        data: Facts of its training data, as `facts_of_folder` has them.
    """

    config: Config
    config_name: str
    checkpoint: Path
    work_dir: Path
    data: Mapping[str, Any]

    def provenance(self) -> dict[str, Any]:
        """Return plain facts for the record: config digest, command, data, versions."""
        text = self.config.pretty_text
        return {
            "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "command": f"zoo train {self.config_name} --data DIR",
            "data": dict(self.data),
            "versions": dict(_versions()),
        }


def find_run(spec: Path, *, config: str | None = None, data: Path | None = None) -> RunFacts:
    """Return the run of a work dir, or of a checkpoint in one.

    Args:
        spec: A work dir, whose best checkpoint is taken, else the last; or a checkpoint.
        config: The config, where the checkpoint's folder has none; a path or a name.
        data: The prepared folder that it was trained on, where the config's place of it is gone.

    Raises:
        CheckpointError: There is no checkpoint.
        ConfigError: There is no config beside it, or its data is not there.
        DataError: The folder does not hold.
    """
    folder = spec if spec.is_dir() else spec.parent
    checkpoint = spec if spec.is_file() else find_best_checkpoint(spec) or find_checkpoint(spec)
    if checkpoint is None:
        found = "a work dir without a checkpoint" if spec.is_dir() else "no such file or folder"
        message = f"cannot publish {str(spec)!r}: found {found}."
        hint = "train first, or give a checkpoint that training wrote."
        raise CheckpointError(message, path=spec, hint=hint)
    source = config or find_dumped_config(folder)
    resolved = read_config(source, data=data, pretrained="none")
    loader = resolved.get("train_dataloader") or resolved.get("test_dataloader")
    if not loader:
        message = f"cannot publish {str(spec)!r}: its config names no data."
        raise ConfigError(message, where=source, hint="give the config that it was trained with.")
    facts = facts_of_folder(data) if data is not None else facts_of_loader(loader)
    name = Path(resolved.filename or str(source)).stem
    return RunFacts(resolved, name, checkpoint, folder, facts)


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _VERSIONS:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # mmcv or mmcv-lite, a fork under another name
            continue
    return found
