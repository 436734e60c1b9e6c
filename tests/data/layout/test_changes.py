# SPDX-License-Identifier: Apache-2.0
"""Files of a prepared folder that were written after it: found, and nothing else is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoo.data import Report, read_prepared
from zoo.data.layout import check
from zoo.data.layout.check import find_changes

SPLITS = ("train", "val")


@pytest.fixture
def prepared(make_raw: Callable[..., Path], prepare: Callable[..., Report], tmp_path: Path) -> Path:
    prepare(make_raw(), tmp_path / "out")
    return tmp_path / "out"


def a_file(root: Path, split: str, folder: str) -> Path:
    stem = next(row.stem for row in read_prepared(root).files if row.split == split)
    return root / folder / f"{stem}.png"


def invert(path: Path) -> None:
    """Change the pixels of a picture, and keep its format and size."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    top = 1 if path.parent.name == "masks" else 255
    cv2.imwrite(str(path), (top - np.minimum(pixels, top)).astype(np.uint8))


def test_untouched_folder_has_none_and_is_not_read(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a byte of its pictures: only when they were written."""
    monkeypatch.setattr(check, "read_file", lambda *given: pytest.fail("read"))

    assert find_changes(prepared, SPLITS) == []


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("folder", ["images", "masks"])
@pytest.mark.parametrize("change", ["pixels", "old date", "bytes", "gone", "cut short"])
def test_change_of_a_file_is_found(prepared: Path, split: str, folder: str, change: str) -> None:
    """Whatever changed, and whenever it claims to be from; the file is named."""
    path = a_file(prepared, split, folder)
    if change == "gone":
        path.unlink()
    elif change in ("bytes", "cut short"):
        path.write_bytes(b"x" * path.stat().st_size if change == "bytes" else path.read_bytes()[:9])
    else:
        invert(path)
    if change == "old date":
        os.utime(path, (0, 0))

    (found,) = find_changes(prepared, SPLITS)

    assert found.startswith(f"{folder}/{path.name}: ")


def test_change_that_leaves_the_pixels_is_none(prepared: Path) -> None:
    """As a copy, a touch and another compression do."""
    for path in prepared.rglob("*.png"):
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    shutil.copytree(prepared, prepared.with_name("copy"))

    assert find_changes(prepared, SPLITS) == []
    assert find_changes(prepared.with_name("copy"), SPLITS) == []


def test_split_that_is_not_asked_for_is_left_alone(prepared: Path) -> None:
    invert(a_file(prepared, "test", "images"))

    assert find_changes(prepared, SPLITS) == []
    assert len(find_changes(prepared, ("test",))) == 1


def test_without_time_the_newest_file_is_read(prepared: Path) -> None:
    """A copy is newer as a whole; what was changed last comes first."""
    for path in prepared.rglob("*.png"):
        path.touch()
    path = a_file(prepared, "train", "images")
    invert(path)
    os.utime(path, (4e9, 4e9))

    (found,) = find_changes(prepared, SPLITS, limit_s=0)

    assert path.name in found
