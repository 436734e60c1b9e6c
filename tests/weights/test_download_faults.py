# SPDX-License-Identifier: Apache-2.0
"""The matrix of what can befall a download (``tools/download_faults.py``): each cell ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from download_faults import FAULTS, REFUSED_RANGES, Cell, Outcome, cells, range_cells, run_cell
from faulty_server import FaultyServer


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", ["after a cut", "after each cut"])
@pytest.mark.parametrize("fault", REFUSED_RANGES)
def test_fetch_from_a_server_that_breaks_off_and_refuses_the_range_ends(
    server: FaultyServer, tmp_path: Path, fault: str, moment: str
) -> None:
    """Each part that comes is thrown away again: that is no getting on, and the tries run out."""
    outcome = run_cell(Cell(fault, moment), server, tmp_path)

    assert outcome.wrong is None
    assert outcome.asked <= 10
    # Asked without a range, some answer with the whole, as a range or as another file.
    may_end_well = moment == "after a cut" and not outcome.error
    assert may_end_well or outcome.error.startswith(
        "cannot download unet.safetensors: all addresses failed"
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", REFUSED_RANGES)
def test_fetch_from_such_a_server_goes_to_the_next_address(
    server: FaultyServer, tmp_path: Path, fault: str
) -> None:
    outcome = run_cell(Cell(fault, "after each cut", has_mirror=True), server, tmp_path)

    assert outcome.wrong is None
    assert outcome.is_right


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fetch_through_each_fault_at_each_moment_ends_rightly(
    server: FaultyServer, tmp_path: Path
) -> None:
    """The whole file or one error, within bounds; the file wherever it can be had."""
    outcomes = _run(list(cells()), server, tmp_path)

    assert len({str(each.cell) for each in outcomes}) == len(outcomes) >= 500
    assert len(FAULTS) >= 60
    assert [(str(each.cell), each.wrong) for each in outcomes if each.wrong] == []
    assert 0.3 < sum(each.is_right for each in outcomes) / len(outcomes) < 0.7


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.timeout(300)
def test_fetch_in_ranges_through_each_fault_at_each_moment_ends_rightly(
    server: FaultyServer, tmp_path: Path
) -> None:
    """The same of a file that comes over several connections."""
    outcomes = _run(list(range_cells()), server, tmp_path)

    assert [(str(each.cell), each.wrong) for each in outcomes if each.wrong] == []
    assert 0.3 < sum(each.is_right for each in outcomes) / len(outcomes) < 0.8


def _run(wanted: list[Cell], server: FaultyServer, tmp_path: Path) -> list[Outcome]:
    folders = [tmp_path / str(number) for number in range(len(wanted))]
    for folder in folders:
        folder.mkdir()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda cell, place: run_cell(cell, server, place), wanted, folders))
