# SPDX-License-Identifier: Apache-2.0
"""Rows of a label map in a file, read back after anything that a kill or a disk may leave."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.engine.scenes.label_journal import LabelJournal, discard
from zoo.engine.scenes.label_rows import LabelRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZE = 7, 30
BANDS = (0, 10, 16, 24)


def _labels() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 3, SIZE[::-1]).astype(np.uint8)


def _fill(path: Path, key: str = "k") -> None:
    journal = LabelJournal(path, key, *SIZE)
    for index, (top, bottom) in enumerate(pairwise(BANDS)):
        journal.put(_labels()[top:bottom], {"band": index})
    journal.close()
    journal.stream.close()


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as stream:
        stream.truncate(size)


def _spoil(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def _journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


@pytest.mark.parametrize(
    ("harm", "next_px"),
    [
        (lambda path: None, 24),
        (lambda path: _cut(path, 24 * 7 - 1), 16),
        (lambda path: _cut(path, 3), 0),
        (lambda path: _spoil(path, 11 * 7), 10),
        (lambda path: _cut(_journal_of(path), _journal_of(path).stat().st_size - 1), 16),
        (lambda path: _spoil(_journal_of(path), 0), 0),
        (lambda path: _journal_of(path).write_bytes(b""), 0),
        (lambda path: _journal_of(path).write_bytes(b"\xff" * 50), 0),
        (lambda path: _journal_of(path).unlink(), 0),
        (lambda path: path.unlink(), 0),
    ],
    ids=["whole", "cut", "short", "spoiled", "torn", "head", "empty", "noise", "gone", "no rows"],
)
def test_rows_that_are_whole_are_kept(
    tmp_path: Path, harm: Callable[[Path], None], next_px: int
) -> None:
    """The rest is put again, and the map is that of one go."""
    path = tmp_path / "rows"
    _fill(path)
    harm(path)

    journal = LabelJournal(path, "k", *SIZE)
    rows = LabelRows(*SIZE, journal)

    assert rows.next_px == next_px
    band = BANDS.index(next_px) - 1
    assert rows.facts == ({"band": band} if next_px else {})
    assert (
        rows.counts.tolist()[:3] == np.bincount(_labels()[:next_px].ravel(), minlength=3).tolist()
    )
    rows.put(_labels()[next_px:], {"band": 9})
    journal.close()
    assert np.array_equal(rows.whole(), _labels())
    assert rows.counts[:3].tolist() == np.bincount(_labels().ravel()).tolist()
    again = LabelJournal(path, "k", *SIZE)
    assert (again.next_px, again.facts) == (30, {"band": 9})
    again.close()


@pytest.mark.parametrize(("key", "size"), [("other", SIZE), ("k", (6, 35)), ("k", (7, 31))])
def test_rows_of_another_scene_are_dropped(tmp_path: Path, key: str, size: tuple[int, int]) -> None:
    path = tmp_path / "rows"
    _fill(path)

    journal = LabelJournal(path, key, *size)
    journal.close()

    assert journal.next_px == 0
    assert path.stat().st_size == 0


def test_discarded_rows_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    _fill(path)

    discard(path)
    discard(path)

    assert list(tmp_path.iterdir()) == []
