# SPDX-License-Identifier: Apache-2.0
"""A report survives writing and reading, and its summary fits a terminal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import Report

_LINES = st.lists(st.tuples(st.text(), st.text()), max_size=5)


@settings(deadline=None, max_examples=50)
@given(_LINES, _LINES, _LINES)
def test_report_when_written_and_read_then_equal(drops: Any, repairs: Any, notes: Any) -> None:
    """Any text in any of the lists."""
    report = Report()
    for file, text in drops:
        report.drop(file, text)
    for file, text in repairs:
        report.repair(file, text)
    for file, text in notes:
        report.note(file, text)
    report.count("images", 3)

    read = Report.from_dict(json.loads(json.dumps(report.to_dict())))

    assert read.to_dict() == report.to_dict()


def test_to_dict_when_order_of_work_differs_then_equal() -> None:
    """Threads finish in any order."""
    one, two = Report(), Report()
    for report, names in ((one, "ab"), (two, "ba")):
        for name in names:
            report.drop(name, "image without a mask")

    assert one.to_dict() == two.to_dict()


def test_summary_when_reason_is_shared_then_one_line() -> None:
    """A thousand files of one fate are one line with the first of them."""
    report = Report()
    report.count("images", 1000)
    for number in range(1000):
        report.drop(f"{number:04d}.png", "image without a mask")
    for number in range(7):
        report.note(f"{number}.png", f"reason {number}")

    lines = report.summary().splitlines()

    assert lines[0] == "1000 images"
    assert lines[1] == "dropped 1000: image without a mask (0000.png and 999 more)"
    assert lines[-1] == "noted: 2 other reasons, see report.json"


def test_summary_when_a_note_names_no_file_then_no_empty_brackets() -> None:
    """What is said of the whole data set stands alone."""
    report = Report()
    report.note("", "class 'road' occurs in no mask")

    assert report.summary() == "noted 1: class 'road' occurs in no mask"
