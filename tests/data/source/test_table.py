# SPDX-License-Identifier: Apache-2.0
"""A table is read as spreadsheets write it, and all its faults are told in one error."""

from __future__ import annotations

import csv
import io
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.data import TableRow, read_table
from zoo.errors import DataError

COLUMNS: dict[str, Any] = {"image": str, "count": int, "depth_m": float, "kind": {"pond": 1}}
HEADER = "image,count,depth_m,kind\n"


def read(text: str | bytes, columns: Any = None, **options: Any) -> list[TableRow]:
    data = text.encode() if isinstance(text, str) else text
    with read_table(data, "raw/ponds.csv", columns or COLUMNS, **options) as table:
        return list(table)


def test_read_table_when_each_row_holds_then_values_have_their_types() -> None:
    """Columns that were not asked for are text; the line is the editor's."""
    rows = read("note,image,count,depth_m,kind\n\nx,a,-3,1.5e1,pond\n")

    assert [(row.line, row.where, dict(row.values)) for row in rows] == [
        (
            3,
            "raw/ponds.csv:3",
            {"note": "x", "image": "a", "count": -3, "depth_m": 15.0, "kind": 1},
        )
    ]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
            st.integers(-(10**17), 10**17),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_read_table_when_pythons_writer_wrote_it_then_read_back(
    rows: list[tuple[str, int, float]], delimiter: str, end: str, has_mark: bool
) -> None:
    """Quotes, delimiters and line ends in fields; every delimiter; a byte order mark.

    A lone carriage return is left out: before Python 3.13 the writer does not quote it.
    """
    rows = [(text.replace("\r", ""), count, depth) for text, count, depth in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerows([["image", "count", "depth_m"], *rows])
    data = out.getvalue().encode("utf-8-sig" if has_mark else "utf-8")

    found = read(data, {"image": str, "count": int, "depth_m": float})

    assert [(row["image"], row["count"], row["depth_m"]) for row in found] == [
        (text.strip(), count, depth) for text, count, depth in rows
    ]


FAULTS = [
    ("a,x,1,pond", "count is 'x', expected a whole number"),
    ("a,1.0,1,pond", "count is '1.0', expected a whole number"),
    ("a,1_0,1,pond", "count is '1_0', expected a whole number"),
    ("a,\u0661,1,pond", "count is '\u0661', expected a whole number"),
    (f"a,{'9' * 400},1,pond", "expected a whole number"),
    ("a,1,nan,pond", "depth_m is 'nan', expected a number"),
    ("a,1,1e999,pond", "depth_m is '1e999', expected a number"),
    ("a,1,,pond", "depth_m is '', expected a number"),
    ("a,1,1,pomd", "kind is 'pomd', expected one such as pond"),
    ("a,1,1", "has 3 fields, expected 4"),
    ("a,1,1,pond,5", "has 5 fields, expected 4"),
]


def test_read_table_when_rows_have_faults_then_one_error_names_each_line() -> None:
    """A row with two faults is told twice, and good rows between are not."""
    lines = [line for fault, _ in FAULTS for line in (fault, "good,1,1,pond")]
    lines.append("a,x,y,pond")

    with pytest.raises(DataError) as caught:
        read(HEADER + "\n".join(lines))

    told = caught.value.message.splitlines()
    assert told[0] == "cannot read 'ponds.csv': found 13 faults in 23 rows:"
    expected = [(2 * number + 2, text) for number, (_, text) in enumerate(FAULTS)]
    expected += [(24, "count is 'x'"), (24, "depth_m is 'y'")]
    assert len(told) == 14
    for line, (number, text) in zip(told[1:], expected, strict=True):
        assert line.startswith(f"  raw/ponds.csv:{number}: ")
        assert text in line
    assert caught.value.where == "raw/ponds.csv:2"
    assert caught.value.path == "raw/ponds.csv"


@pytest.mark.parametrize(("line", "text"), FAULTS)
def test_read_table_when_one_row_has_a_fault_then_the_message_is_it(line: str, text: str) -> None:
    with pytest.raises(DataError) as caught:
        read(f"{HEADER}good,1,1,pond\n{line}\n")

    assert caught.value.message.startswith("cannot read 'ponds.csv': ")
    assert text in caught.value.message
    assert caught.value.where == "raw/ponds.csv:3"
    assert len(str(caught.value)) < 500


def test_read_table_when_faults_are_many_then_twenty_are_listed() -> None:
    with pytest.raises(DataError) as caught:
        read(HEADER + "a,x,1,pond\n" * 5000)

    told = caught.value.message.splitlines()
    assert len(told) == 22
    assert told[-1] == "  and 4,980 more"


def test_read_table_when_the_caller_finds_faults_then_they_join_the_others() -> None:
    """What only the images tell is told together with what the file tells."""
    data = f"{HEADER}a,1,1,pond\nb,x,1,pond\nc,1,1,pond\n".encode()

    def check_images() -> None:
        with read_table(data, "ponds.csv", COLUMNS, hint="ask the surveyor.") as table:
            assert [row["image"] for row in table] == ["a", "c"]
            table.fault(table.rows[1], "there is no image 'c'")

    with pytest.raises(DataError) as caught:
        check_images()

    assert "ponds.csv:3: count is 'x'" in caught.value.message
    assert "ponds.csv:4: there is no image 'c'" in caught.value.message
    assert caught.value.hint == "ask the surveyor."


def test_read_table_when_the_block_fails_then_its_own_error_comes_out() -> None:
    with pytest.raises(KeyError), read_table(b"a\nx\n", "t.csv", {"a": int}) as table:
        raise KeyError(table.name)


def test_read_table_when_rows_repeat_then_the_first_line_is_named() -> None:
    rows = "a,1,1,pond\nb,1,1,pond\na,2,1,pond\na,1,5,pond\n"

    assert len(read(HEADER + rows.rsplit("a,1,5", 1)[0], unique=["image", "count"])) == 3
    with pytest.raises(DataError) as caught:
        read(HEADER + rows, unique=["image", "count"])

    assert "image and count is the same as in line 2" in caught.value.message
    assert caught.value.where == "raw/ponds.csv:5"


def _square(text: str) -> int | None:
    value = math.isqrt(int(text))
    return value if value * value == int(text) else None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("16", None),
        ("15", "side is '15', which cannot be read"),
        ("x", "invalid literal"),
        ("-4", "nonnegative"),
    ],
)
def test_read_table_when_a_function_reads_a_column_then_its_refusal_is_told(
    text: str, part: str | None
) -> None:
    if part is None:
        assert read(f"side\n{text}\n", {"side": _square})[0]["side"] == 4
        return

    with pytest.raises(DataError) as caught:
        read(f"side\n{text}\n", {"side": _square})

    assert part in caught.value.message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it holds no rows"),
        (HEADER.encode(), "it holds no rows"),
        (b"image,count\na,1\n", "expected 'depth_m' among them"),
        (b"image,count,depth_m,kind,count\na,1,1,pond,1\n", "found the column 'count' 2 times"),
        (HEADER.encode("utf-16"), "found UTF-16, expected UTF-8"),
        (HEADER.encode() + b"\xff,1,1,pond\n", "codec can't decode"),
        (HEADER.encode() + b'"a,1,1,pond\n', "line 2: unexpected end of data"),
        (HEADER.encode() + b"a" * 200_000 + b",1,1,pond\n", "field larger than field limit"),
    ],
)
def test_read_table_when_the_file_is_no_table_then_refused_at_once(data: bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read(data)

    assert says in caught.value.message
    assert caught.value.hint


def test_read_table_when_letters_are_spoiled_then_read_or_refused() -> None:
    """Two thousand files with letters replaced, added or taken away: no other exception."""
    letters = "\",;\t|\r\n ()'\0\u00e90a\\"
    text = HEADER + "".join(f"a{n},{n},{n}.5,pond\r\n" for n in range(12))
    hints = []
    for seed in range(2000):
        draw = random.Random(seed)
        spoiled = list(text)
        for _ in range(draw.randint(1, 6)):
            place = draw.randrange(len(spoiled))
            spoiled[place] = draw.choice(["", draw.choice(letters), spoiled[place] * 2])

        try:
            rows = read("".join(spoiled))
        except DataError as error:
            hints.append(error.hint)
        else:
            assert all(isinstance(row["count"], int) for row in rows), seed
    assert all(hints)
    assert len(hints) < 2000
