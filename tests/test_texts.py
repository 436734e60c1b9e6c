# SPDX-License-Identifier: Apache-2.0
"""Text from outside, made printable: nothing that a terminal acts upon is left."""

from __future__ import annotations

import datetime
import logging
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import DataError
from zoo.texts import log_printably, printable, shown


@given(st.text())
def test_printable_leaves_nothing_that_a_terminal_acts_upon(text: str) -> None:
    """The oracle: Unicode's categories of controls, formats, surrogates and separators."""
    kinds = {unicodedata.category(each) for each in printable(text) if each != " "}

    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


@given(st.text())
def test_printable_can_be_undone(text: str) -> None:
    """Nothing is lost: Python's own escapes give the text back, where it had no backslash."""
    text = text.replace("\\", "/")
    escaped = printable(text)

    assert escaped.encode("latin-1", "backslashreplace").decode("unicode_escape") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gefäß", "Gefäß"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("\udcff", "\\udcff"),
        ("細胞", "細胞"),
    ],
)
def test_printable_of_real_texts(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_printable_keeps_what_it_is_told_to() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], "['a', 'b']"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        ([datetime.time(10)], "[10:00:00]"),
        (True, "True"),
    ],
)
def test_shown_is_how_python_or_toml_spells_it(value: object, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize(
    "value", ["x" * 10**6, ["y"] * 10**6, {"z" * 999: [[["z"] * 999]]}, 10**40]
)
def test_shown_is_never_long(value: object) -> None:
    """A value of a megabyte does not flood a terminal."""
    assert len(shown(value)) < 500


def test_error_from_outside_forges_no_line() -> None:
    """Only zoo writes the lines that begin with ``where:`` and ``HINT:``."""
    error = DataError("cannot read x.", path="a\nHINT: rm -rf /\x1b[0m", hint="fix it.")

    assert str(error).split("\n") == [
        "cannot read x.",
        "where: a\\nHINT: rm -rf /\\x1b[0m",
        "HINT: fix it.",
    ]


@pytest.fixture
def factory() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("factory")
def test_log_printably_escapes_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_printably()

    logging.getLogger("another").warning("class %s\nis here", "\x1b[2J")

    assert caplog.messages == ["class \\x1b[2J\nis here"]
