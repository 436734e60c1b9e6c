# SPDX-License-Identifier: Apache-2.0
"""Raw data, prepared by `zoo data prepare folder_data` below the work dir."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DataError, TrainingError
from zoo_auto_fit.commands import run_zoo

__all__ = ["guess_task", "is_prepared", "prepare_raw"]


def prepare_raw(data: Path, folder: Path, task: str | None, words: Sequence[str]) -> Path:
    """Return the prepared folder of some data; raw data is prepared first.

    Args:
        data: A prepared folder, a raw one, or a .zip.
        folder: Where raw data is prepared, in ``data``.
        task: Task of raw data; None to guess it.
        words: Further options of `zoo data prepare folder_data`.

    Raises:
        DataError: There is no such folder, it is prepared for another task, or options are given
            for data that is prepared already; or it is a single image or group.
        TrainingError: It cannot be prepared.
    """
    if not os.path.exists(data):
        message = f"cannot fit: there is no folder {str(data)!r}."
        raise DataError(message, path=data, hint="give a folder of images and labels.")
    if is_prepared(data):
        if words:
            message = f"cannot use {' '.join(words[:2])!r}: the data is prepared already."
            hint = "leave options of preparation out, or give the raw folder."
            raise DataError(message, path=data, hint=hint)
        return data
    task = task or guess_task(data)
    out = folder / "data"
    # Of a fit that was refused or stopped before it began; what was asked may differ.
    shutil.rmtree(out, ignore_errors=True)
    line = ["data", "prepare", "folder_data", "--source", str(data), "--out", str(out)]
    ended = run_zoo([*line, "--task", task, *words])
    if "cannot split 1 groups" in ended.err:
        message = "cannot fit to one image, or to images of one group: nothing is left to validate "
        message += "and to test on."
        hint = "annotate more images, or cut it into pieces that are split by place."
        raise DataError(message, path=data, hint=hint)
    if ended.code != 0:
        said = ended.err.strip().removeprefix("error: ").replace("\n", "\n  ")
        message = f"cannot fit: the data could not be prepared as {task} data:\n  {said}"
        hint = "give options of zoo data prepare folder_data behind DATA, or another --task."
        raise TrainingError(message, where=data, hint=hint)
    return out


def is_prepared(data: Path) -> bool:
    """Return whether `zoo data prepare` wrote a folder.

    Args:
        data: A folder, a file, or nothing.
    """
    return os.path.isfile(data / "dataset.json")


def guess_task(data: Path) -> str:
    """Return ``instance`` for a folder with COCO JSON, else ``semantic``.

    Args:
        data: A raw folder.
    """
    places = (data, data / "annotations") if os.path.isdir(data) else ()
    found = [path for place in places if place.is_dir() for path in place.glob("*.json")]
    return "instance" if found else "semantic"
