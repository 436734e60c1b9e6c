# SPDX-License-Identifier: Apache-2.0
"""What many files have in common is said once, with their number; rare kinds are all named."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import Report
from zoo.data.prepare.jobs import run_jobs
from zoo.data.reasons import kind_of, without_names
from zoo.errors import DataError

REASONS = {
    "values": "cannot read the mask {name!r}: found values that no class lists: {values}.",
    "sizes": "cannot pair {name!r}: the mask has {number}x5 px, expected the image's 7x{number}.",
    "empty": "cannot decode {name!r}: found an empty file, expected PNG.",
}


def message(kind: str, number: int) -> str:
    values = ", ".join(f"{value} ({value * 3} px)" for value in range(1, 2 + number % 9))
    values += f" and {number} more" if number % 2 else ""
    return REASONS[kind].format(name=f"masks/it's {number}.png", number=number, values=values)


@pytest.mark.parametrize("kind", REASONS)
def test_kind_of_when_names_and_numbers_differ_then_equal(kind: str) -> None:
    """However many values a message lists, and whatever a name holds."""
    assert len({kind_of(message(kind, number)) for number in range(40)}) == 1


def test_kind_of_when_reasons_differ_then_not_equal() -> None:
    assert len({kind_of(message(kind, 1)) for kind in REASONS}) == len(REASONS)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([None, *REASONS]), min_size=1, max_size=40))
def test_run_jobs_when_some_fail_then_each_kind_has_its_count(kinds: list[str | None]) -> None:
    """One line of a kind with many failures; of a few, each is named, with its place."""

    def work(number: int) -> int:
        kind = kinds[number]
        if kind is not None:
            raise DataError(message(kind, number), path=f"raw/{number}.png", hint="mend it.")
        return number

    counts = Counter(kind for kind in kinds if kind is not None)
    if not counts:
        assert run_jobs(work, range(len(kinds)), what="pairs", workers=2) == list(range(len(kinds)))
        return
    with pytest.raises(DataError) as caught:
        run_jobs(work, range(len(kinds)), what="pairs", workers=2)

    lines = caught.value.message.splitlines()
    if counts.total() == 1:
        assert len(lines) == 1
        return
    assert lines[0] == f"cannot prepare {counts.total()} pairs:"
    assert len(lines) == 1 + sum(1 if count > 4 else count for count in counts.values())
    for kind, count in counts.items():
        numbers = [number for number, each in enumerate(kinds) if each == kind]
        told = "\n".join(lines)
        if count > 4:
            assert f"  {count} pairs: {message(kind, numbers[0])}" in told
            assert f"(raw/{numbers[0]}.png), and so raw/{numbers[1]}.png, ..." in told
        else:
            assert all(f"  {message(kind, n)} (raw/{n}.png)" in told for n in numbers)


def test_run_jobs_when_all_fail_then_the_message_stays_short_and_counts_them() -> None:
    """As 245 masks of 275 do."""

    def work(number: int) -> None:
        if number % 275 < 245:
            raise DataError(message("values", number), path=f"raw/{number}.png", hint="mend it.")

    with pytest.raises(DataError, match=r"cannot prepare 245 pairs:\n  245 pairs: ") as caught:
        run_jobs(work, range(275), what="pairs", workers=2)

    assert len(caught.value.message.splitlines()) == 2


def test_summary_when_reasons_differ_in_names_then_one_line() -> None:
    """Each mask without its image is one of a kind."""
    report = Report()
    for number in range(30):
        report.drop(f"masks/{number:02}.png", f"mask without an image called '{number:02}'")

    lines = report.summary().splitlines()

    assert lines == [
        "dropped 30: mask without an image called '00' (masks/00.png and 29 more)",
    ]
    assert re.fullmatch("mask without an image called ''", without_names(report.dropped[0].text))
