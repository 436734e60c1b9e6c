# SPDX-License-Identifier: Apache-2.0
"""Items on their way to Ray: in their order, in blocks of a stated size, and not in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoo_ray_runs.mapping import block_size
from zoo_ray_runs.spool import items_of, spooled

from zoo.errors import DataError

ITEMS = ["a", ("b", 1), None, {"c": [1, 2]}, b"\0" * 1000, "", 0, True, "é", 1.5]


@pytest.mark.parametrize("size", [1, 3, 10, 11])
@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_blocks_are_the_items_in_their_order(count: int, size: int) -> None:
    """Each of the stated size but the last; they can be read again; the file is removed."""
    with spooled(iter(ITEMS[:count])) as spool:
        blocks = [list(items_of(block)) for block in spool.blocks(size)]
        again = [list(items_of(block)) for block in spool.blocks(size)]

    assert spool.count == count
    assert [item for block in blocks for item in block] == ITEMS[:count]
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert again == blocks
    assert not spool.path.exists()


@pytest.mark.slow
def test_a_hundred_thousand_paths_take_no_memory() -> None:
    """Neither where they are written nor where they are read: a megabyte at most."""
    count = 100_000
    tracemalloc.start()

    with spooled(
        (f"/data/tiles/{number:09d}.png", f"{number}") for number in range(count)
    ) as spool:
        total = sum(len(list(items_of(block))) for block in spool.blocks(32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert total == count
    assert peak < 2**20


def test_error_of_where_items_come_from_is_passed_on() -> None:
    """A list that cannot be read in its middle says so itself."""

    fault = DataError("cannot read the list.")

    def items() -> Iterator[int]:
        yield 1
        raise fault

    with pytest.raises(DataError) as raised, spooled(items()):
        pass

    assert raised.value is fault


def test_folder_that_cannot_be_written_is_an_error_of_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the place to change."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))

    with pytest.raises(DataError, match="cannot list what is to be done") as raised, spooled([1]):
        pass

    assert "TMPDIR" in str(raised.value.hint)


@pytest.mark.parametrize("items", [1, 7, 31, 1000, 320_000, 320_001, 10**6, 10**9])
@pytest.mark.parametrize("workers", [1, 3, 64])
def test_blocks_are_bounded_in_size_and_number(items: int, workers: int) -> None:
    """32 items at most while that makes no more than 10,000 blocks, and each worker gets some."""
    size = block_size(items, workers)

    assert 1 <= size <= max(32, -(-items // 10_000))
    assert -(-items // size) <= 10_000
    assert -(-items // size) >= min(items, workers)
