# SPDX-License-Identifier: Apache-2.0
"""The published weights that a run started from: their terms go on in all that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.published import find_record
from zoo.texts import printable

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["Origin", "OriginNote", "find_origins", "read_origins"]

_KEY = "zoo_origins"


@dataclass(frozen=True, slots=True)
class Origin:
    """Published weights, and the terms of their record.

    Attributes:
        name: Their name.
        licence: Of the weights.
        data_licence: Of the data they were trained on.
        non_commercial: Whether the licence forbids commercial use; None if nobody says.
    """

    name: str
    licence: str
    data_licence: str
    non_commercial: bool | None = None


def read_origins(meta: Mapping[str, Any]) -> tuple[Origin, ...]:
    """Return what the run of a checkpoint started from, the oldest first.

    Args:
        meta: Of the checkpoint.
    """
    rows = meta.get(_KEY)
    found = (_read(row) for row in rows) if isinstance(rows, list) else ()
    return tuple(origin for origin in found if origin is not None)


def _read(row: Any) -> Origin | None:
    if not isinstance(row, Mapping):
        return None
    name, licence, data_licence, flag = (row.get(each.name) for each in fields(Origin))
    texts = [printable(text) for text in (name, licence, data_licence) if isinstance(text, str)]
    if len(texts) < 3 or not (flag is None or isinstance(flag, bool)):
        return None
    return Origin(texts[0], texts[1], texts[2], flag)


def find_origins(start: str | Path | None) -> tuple[Origin, ...]:
    """Return the origins of a run that starts from a file.

    Args:
        start: A published file, a checkpoint, or None.
    """
    if start is None or not Path(start).is_file():
        return ()
    if Path(start).suffix != ".safetensors":
        return read_origins(load_checkpoint(start).meta)
    record = find_record(start)
    if record is None:
        return ()
    terms = (record.licence, record.data_licence, record.non_commercial)
    return (Origin(record.name, *terms),)


class OriginNote(Hook):
    """Keeps the origins in every checkpoint of a run.

    Args:
        origins: The oldest first.
    """

    def __init__(self, origins: Sequence[Origin]) -> None:
        self._rows = [asdict(origin) for origin in origins]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the origins in the checkpoint.

        Args:
            runner: The run.
            checkpoint: What is about to be saved; its ``meta`` is changed in place.
        """
        if self._rows:
            checkpoint["meta"][_KEY] = self._rows
