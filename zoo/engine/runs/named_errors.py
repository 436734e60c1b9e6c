# SPDX-License-Identifier: Apache-2.0
"""The images that a training step received, for the messages of losses, which only see tensors."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from zoo.errors import DataError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["naming_images"]

# What LoadImageFromFile of mmcv says, in this process or in a worker's text.
_UNREADABLE = re.compile(r"failed to load image: (?P<file>\S.*)")


@contextlib.contextmanager
def naming_images(runner: Runner) -> Iterator[None]:
    """Add the image's file to a ``DataError`` that only states its position in the batch.

    If it does not state that either, all files of the batch are added, in order. An image that
    cannot be read is one too.

    Args:
        runner: The runner that trains inside the block.

    Raises:
        DataError: What the block raised.
    """
    batch = _LastBatch()
    runner.register_hook(batch, priority="LOWEST")
    try:
        yield
    except DataError as error:
        if error.where is None and batch.files:
            error.where = _name_at(batch.files, error.image)
        raise
    except AssertionError as error:
        found = _UNREADABLE.search(str(error))
        if found is None:
            raise
        message = f"cannot read the image {Path(found['file']).name!r}: found no whole picture."
        hint = "replace the file, or remove the image from the data."
        raise DataError(message, path=found["file"], hint=hint) from error


def _name_at(files: Sequence[str], place: int | None) -> str:
    if place is None or place not in range(len(files)):
        return ", ".join(files)
    return files[place]


class _LastBatch(Hook):
    """Keeps the paths of the current training batch, and none between two steps."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
        paths = [getattr(sample, "img_path", None) for sample in samples or ()]
        self.files = [str(path) for path in paths if path is not None]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.files = []
