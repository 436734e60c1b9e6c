# SPDX-License-Identifier: Apache-2.0
"""``check_prepared`` sees every kind of damage, and nothing in a sound folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import Report, check_prepared, encode_png

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")


@pytest.fixture
def prepared(make_raw: Callable[..., Path], prepare: Callable[..., Report], tmp_path: Path) -> Path:
    prepare(make_raw(), tmp_path / "out")
    return tmp_path / "out"


def test_check_prepared_when_sound_then_no_problems(prepared: Path) -> None:
    """Moving the folder does no harm."""
    moved = prepared.rename(prepared.with_name("moved"))

    assert check_prepared(moved) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda r: (r / "images/p00_0.png").unlink(), "images/p00_0.png: No such file"),
        (lambda r: (r / "masks/p00_0.png").write_bytes(b""), "found an empty file"),
        (
            lambda r: shutil.copy(r / "masks/p00_0.png", r / "images/extra.png"),
            "images/extra.png: found a file that dataset.json does not list",
        ),
        (
            lambda r: shutil.copy(r / "masks/p00_1.png", r / "masks/p00_0.png"),
            "masks/p00_0.png: its pixels are not those that were prepared",
        ),
        (
            lambda r: (r / "masks/p00_0.png").write_bytes(encode_png(np.zeros((5, 4), np.uint8))),
            "masks/p00_0.png: found 4x5 px, expected 16x12",
        ),
    ],
)
def test_check_prepared_when_damaged_then_one_problem(
    prepared: Path, spoil: Callable[[Path], object], told: str
) -> None:
    """The file is named, and nothing else is complained about."""
    spoil(prepared)

    problems = check_prepared(prepared)

    assert len(problems) == 1
    assert told in problems[0]


def test_check_prepared_when_a_picture_is_a_pipe_then_one_problem(prepared: Path) -> None:
    """Nothing is waited for, and the other pictures are checked."""
    path = prepared / "images" / "p00_0.png"
    path.unlink()
    os.mkfifo(path)

    assert check_prepared(prepared) == [
        "images/p00_0.png: it is a named pipe, expected a regular file"
    ]


def test_check_prepared_when_reencoded_then_still_sound(prepared: Path) -> None:
    """Pixels count, not the encoder's bytes."""
    import cv2

    path = prepared / "images" / "p00_0.png"
    before = path.read_bytes()
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])

    assert before != path.read_bytes()
    assert check_prepared(prepared) == []


def test_check_prepared_when_progress_is_given_tells_every_pair(prepared: Path) -> None:
    """Large folders take minutes: each pair is decoded."""
    count = len(list((prepared / "images").iterdir()))
    told: list[tuple[int, int]] = []

    check_prepared(prepared, progress=lambda *step: told.append(step))

    assert told == [(done, count) for done in range(1, count + 1)]
