# SPDX-License-Identifier: Apache-2.0
"""Sources that do not hold: named, all of them at once, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data import Pair, Report, Shares
from zoo.errors import DataError

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

Make = Callable[..., Path]
Prepare = Callable[..., Report]
Snapshot = Callable[[Path], dict[str, tuple[int, str]]]


def _truncate(raw: Path) -> str:
    path = raw / "images" / "p04_0.png"
    path.write_bytes(path.read_bytes()[:-20])
    return "cannot decode 'p04_0.png': found a truncated PNG"


def _empty(raw: Path) -> str:
    (raw / "masks" / "p04_0.png").write_bytes(b"")
    return "cannot decode 'p04_0.png': found an empty file"


def _other_size(raw: Path) -> str:
    cv2.imwrite(str(raw / "masks" / "p04_0.png"), np.zeros((10, 16), np.uint8))
    return "the mask has 16x10 px, expected the image's 16x12"


def _strange_id(raw: Path) -> str:
    cv2.imwrite(str(raw / "masks" / "p04_0.png"), np.full((12, 16), 7, np.uint8))
    return "found ids [7], expected 0..1 or 255"


def _same_stem(raw: Path) -> str:
    shutil.copy(raw / "images" / "p04_0.png", raw / "images" / "p04_0.bmp")
    return "found 'images/p04_0.bmp' and 'images/p04_0.png', expected one"


def _no_masks(raw: Path) -> str:
    shutil.rmtree(raw / "masks")
    return "no masks at all"


@pytest.mark.parametrize(
    "spoil", [_truncate, _empty, _other_size, _strange_id, _same_stem, _no_masks]
)
def test_prepare_semantic_when_source_is_bad_then_named_and_nothing_left(
    make_raw: Make,
    prepare: Prepare,
    snapshot: Snapshot,
    tmp_path: Path,
    spoil: Callable[[Path], str],
) -> None:
    """The guilty file, a hint, an unchanged source and no output."""
    raw = make_raw()
    told = spoil(raw)
    before = snapshot(tmp_path)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "new" / "out")

    assert told in caught.value.message
    assert caught.value.hint
    assert str(raw) in str(caught.value.where)
    assert before == snapshot(tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_prepare_semantic_when_several_files_are_bad_then_all_named(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """One run is enough to learn of every one of them."""
    raw = make_raw()
    for stem in ("p01_0", "p05_1", "p09_0"):
        (raw / "images" / f"{stem}.png").write_bytes(b"")

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out")

    assert caught.value.message.startswith("cannot prepare 3 pairs:")
    for stem in ("p01_0", "p05_1", "p09_0"):
        assert str(raw / "images" / f"{stem}.png") in caught.value.message


@pytest.mark.parametrize("stem", ["", " a", "a\n", "a/b", ".a", "a:b", "x" * 201, "a\u2028b"])
def test_prepare_semantic_when_stem_is_no_name_then_refused(
    make_raw: Make, prepare: Prepare, tmp_path: Path, stem: str
) -> None:
    """It must be a file's name, and a line of its own in a list."""
    pair = Pair(stem, "g", "images/p00_0.png", ("masks/p00_0.png",))

    with pytest.raises(DataError, match="as a file's name"):
        prepare(make_raw(), tmp_path / "out", pairs=[pair])


def test_prepare_semantic_when_encoder_refuses_then_file_is_filled_in(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """A plugin's error need not know where the file lies."""

    def refuse(masks: list[Any], pair: Pair) -> tuple[Any, list[str]]:
        message = "too dark."
        raise DataError(message, hint="brighten it.")

    raw = make_raw(1)
    pair = Pair("p00_0", "g", "images/p00_0.png", ("masks/p00_0.png",))

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", pairs=[pair], encode_mask=refuse, shares=Shares(1, 0, 0))

    assert str(raw / "masks" / "p00_0.png") == caught.value.where


def test_prepare_semantic_when_plugin_has_a_bug_then_it_comes_through(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """Only what is wrong with data is a DataError; nothing is left all the same."""

    def fail(masks: list[Any], pair: Pair) -> tuple[Any, list[str]]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prepare(make_raw(), tmp_path / "out", encode_mask=fail)

    assert os.listdir(tmp_path) == ["raw"]
