# SPDX-License-Identifier: Apache-2.0
"""``CachedLoading``: decode each image once, and map its pixels from a file afterwards."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, Compose

from zoo_segmentation_transforms.arguments import check_argument
from zoo_segmentation_transforms.array_files import NotPlainError, read_arrays, write_arrays

__all__ = ["CachedLoading"]

_LOG = logging.getLogger("zoo")
_GB = 1e9
_MEASURED_SHARE = 0.01
"""Of the room in the folder, what is written before the folder is measured again: with up to a
hundred workers that write at once, it stays within its bound but for the files in flight."""
_STALE_S = 3600.0
"""After which a half-written file is what a killed worker left."""


class CachedLoading(BaseTransform):
    """Run the first steps of a pipeline once for each image, and keep what they return in a folder.

    For large images of which a step of training sees a small crop: decoding the whole is most of
    the work then. Pixels are memory-mapped, so that a crop reads its own part of the file, and
    processes that read the same image share its memory. Later steps may write into the arrays; the
    files stay as they are. What is returned is equal to what the steps return, bit by bit.

    A file of the cache holds for an image and labels of the same path, size and time of change, and
    for the same steps, OpenCV and mmcv. When the folder is full, further images are read as without
    a cache; nothing is thrown out, since each epoch asks for every image once. What a killed worker
    has half written does not count, and is removed after an hour.

    Args:
        steps: Transforms without random numbers, such as ``LoadImageFromFile`` and
            ``LoadAnnotations``.
        folder: Where the files are; it is made, and may be deleted between runs.
        most_gb: Bytes of the folder / 1e9.

    Keys read and added:
        Those of the steps.

    Raises:
        ConfigError: There are no steps, or ``most_gb`` is not above 0.
    """

    def __init__(
        self, steps: Sequence[Mapping[str, Any]], folder: str, most_gb: float = 20
    ) -> None:
        name = type(self).__name__
        check_argument(name, "steps", steps, len(steps) > 0, "one transform or more")
        check_argument(name, "most_gb", most_gb, most_gb > 0, "a number above 0")
        self.steps = Compose([dict(step) for step in steps])
        self.folder = Path(os.path.expanduser(folder)).absolute()
        self.most_gb = most_gb
        self._settings = json.dumps(
            [list(map(dict, steps)), cv2.__version__, mmcv.__version__], sort_keys=True, default=str
        )
        self._is_open = True
        self._room_bytes = self._measured_below_bytes = math.inf  # unknown yet

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Return ``results`` as the steps leave it.

        Args:
            results: Dict with the keys read.
        """
        try:
            asked = json.dumps([self._settings, _without_place(results)], sort_keys=True)
        except TypeError:  # an array, perhaps: what the steps make of it is not known by its path
            return self._run(results)
        path = self.folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:40]}.arrays"
        note = json.dumps(_stamps(results))
        found = read_arrays(path, note)
        if found is not None:
            return {**results, **found}
        before = copy.deepcopy(results)
        after = self._run(results)
        if after is not None and before.keys() <= after.keys():
            changed = {key: after[key] for key in after if _differs(key, before, after)}
            self._keep(path, note, changed)
        return after

    def _run(self, results: dict[str, Any]) -> dict[str, Any] | None:
        after: dict[str, Any] | None = self.steps(results)
        return after

    def _keep(self, path: Path, note: str, values: Mapping[str, Any]) -> None:
        """Write a file, unless the folder is full; a disk that is full ends the cache alone."""
        arrays = [value for value in values.values() if isinstance(value, np.ndarray)]
        size_bytes = sum(array.nbytes for array in arrays)
        if not self._is_open:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._has_room(size_bytes):
                write_arrays(path, note, values)
                self._room_bytes -= size_bytes
        except (OSError, NotPlainError) as error:
            self._is_open = False
            reason = getattr(error, "strerror", None) or f"the steps return a {error}"
            _LOG.warning("no further images are cached in %s: %s", self.folder, reason)

    def _has_room(self, size_bytes: int) -> bool:
        """Return whether a file fits, by the folder and what was written since it was measured."""
        if size_bytes <= self._room_bytes <= self._measured_below_bytes:
            self._room_bytes = self.most_gb * _GB - _size_bytes(self.folder)
            self._measured_below_bytes = (1 - _MEASURED_SHARE) * self._room_bytes
        return size_bytes <= self._room_bytes

    def __repr__(self) -> str:
        inner = ", ".join(map(repr, self.steps.transforms))
        return f"CachedLoading([{inner}], folder={str(self.folder)!r}, most_gb={self.most_gb})"


def _without_place(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the steps may read, without the number that a data set gives an image."""
    return {key: value for key, value in results.items() if key != "sample_idx"}


def _stamps(results: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return size and time of change of each file that is named."""
    found = {}
    for key, value in results.items():
        if isinstance(value, str) and os.path.isfile(value):
            status = os.stat(value)
            found[key] = [status.st_size, status.st_mtime_ns]
    return found


def _differs(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if key not in before or isinstance(after[key], np.ndarray):
        return True
    return bool(type(before[key]) is not type(after[key]) or before[key] != after[key])


def _size_bytes(folder: Path) -> int:
    """Return the bytes of the whole files; what was half written long ago is removed."""
    size_bytes = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # another worker has just renamed it; or it is another user's
                status = entry.stat(follow_symlinks=False)
                if not entry.name.endswith(".part"):
                    size_bytes += status.st_size
                elif time.time() - status.st_mtime > _STALE_S:
                    os.unlink(entry.path)
    return size_bytes
