# SPDX-License-Identifier: Apache-2.0
"""The CSV is read in every form that it comes in, and its faults are named by line."""

from __future__ import annotations

import csv
import io
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_oil_storage.annotations import Row, parse_bounds, read_rows

from zoo.errors import DataError

TEXT = """\
image_id,class,bounds
a,oil-storage-tank,"(1, 2, 3, 4)"

b,oil-storage-tank,"(5, 6, 7, 8)"
"""
SEMICOLONS = TEXT.replace(",oil-storage-tank,", ";oil-storage-tank;").replace(
    "image_id,class,bounds", "image_id;class;bounds"
)
ROWS = [
    Row(2, "a", "oil-storage-tank", "(1, 2, 3, 4)"),
    Row(4, "b", "oil-storage-tank", "(5, 6, 7, 8)"),
]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.rstrip("\n").encode(),
        TEXT.replace("a,", " a ,").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace(",", ", ").replace("(1, ", "(1,").encode(),
        TEXT.replace(',"', ',   "').encode(),
        TEXT.replace(')"', ')"  ').encode(),
        TEXT.replace(',"', ' , "').replace(')"', ')" \t').encode(),
        TEXT.replace("oil-storage-tank", '"oil-storage-tank"').encode(),
        TEXT.replace("oil-storage-tank", ' "oil-storage-tank" ').encode(),
        'image_id, "class", "bounds"'.join(["", TEXT.split("bounds", 1)[1]]).encode(),
        SEMICOLONS.encode(),
        SEMICOLONS.replace(";", "\t").encode(),
        SEMICOLONS.replace(";", " | ").encode(),
        SEMICOLONS.replace('"', "").encode(),
        SEMICOLONS.replace("\n", "\r\n").encode("utf-8-sig"),
    ],
    ids=[
        *("plain", "windows", "bom", "no-end", "spaces", "old-mac"),
        *("space-behind-commas", "space-before-quotes", "space-behind-quotes", "space-around"),
        *("all-quoted", "all-quoted-spaces", "quoted-header"),
        *("semicolons", "tabs", "bars", "semicolons-unquoted", "semicolons-windows"),
    ],
)
def test_read_rows_when_another_system_wrote_it_then_the_same(data: bytes) -> None:
    """Lines are counted as an editor counts them."""
    found = read_rows(data, "annotations.csv")

    assert [(row.line, row.image_id, row.name) for row in found] == [
        (row.line, row.image_id, row.name) for row in ROWS
    ]
    bounds = [parse_bounds(row.bounds) for row in found]
    assert bounds == [(1, 2, 3, 4), (5, 6, 7, 8)]


def test_read_rows_when_a_quote_holds_line_ends_then_the_first_line_is_its_own() -> None:
    """An editor that wraps long fields; the next row's line is right too."""
    text = 'image_id,class,bounds\na,t,"(1, 2,\r\n 3, 4)"\nb,t,"(5, 6, 7, 8)"\n'

    found = read_rows(text.encode(), "annotations.csv")

    assert [row.line for row in found] == [2, 4]
    assert parse_bounds(found[0].bounds) == (1, 2, 3, 4)


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=8)] * 2), max_size=6))
def test_read_rows_when_pythons_writer_wrote_any_text_then_read_back(
    rows: list[tuple[str, str]],
) -> None:
    """Quotes, delimiters and line ends in fields, which are stripped alone."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([["image_id", "class", "bounds"], *((*row, "(1, 2)") for row in rows)])
    if not rows or any("\0" in "".join(row) for row in rows):
        return

    found = read_rows(out.getvalue().encode(), "annotations.csv")

    assert [(row.image_id, row.name) for row in found] == [
        (first.strip(), second.strip()) for first, second in rows
    ]


def test_read_rows_when_columns_are_more_and_elsewhere_then_found() -> None:
    text = 'bounds,note,class,image_id\n"(1, 2, 3, 4)",x,oil-storage-tank,a\n'

    assert read_rows(text.encode(), "annotations.csv") == ROWS[:1]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it holds no rows"),
        (b"image_id,class,bounds\n", "it holds no rows"),
        (b"image_id,class\na,b\n", "found the columns 'image_id', 'class', expected 'bounds'"),
        (
            b'image_id,bounds,class,bounds\na,"(1, 2, 3, 4)",b,"(5, 6, 7, 8)"\n',
            "found the column 'bounds' 2 times, expected it once",
        ),
        (b"image_id;class;bounds\n", "it holds no rows"),
        (b"image_id:class:bounds\n", "found the columns 'image_id:class:bounds'"),
        (b"image_id,class,bounds\na;b;c\n", "line 2 has 1 fields, expected 3"),
        ("image_id,class,bounds\n".encode("utf-16"), "found UTF-16, expected UTF-8"),
        (b"image_id,class,bounds\na,b,'(1, 2, 3, 4)'\n", "line 2 has 6 fields, expected 3"),
        (b'image_id,class,bounds\na,b, "(1, 2, 3, 4)\nc,d,e\n', "line 2: unexpected end"),
        (b'image_id,class,bounds\na,b,"(1, 2, 3, 4)"\nc,d\n', "line 3 has 2 fields, expected 3"),
        (b"image_id,class,bounds\na,b,(1, 2, 3, 4)\n", "line 2 has 6 fields, expected 3"),
        (b'image_id,class,bounds\na,b,"(1, 2, 3, 4)\n', "line 2: unexpected end of data"),
        (b'image_id,class,bounds\na,b,"(1, 2)"x\n', "line 2: ',' expected after '\"'"),
        ("image_id,class,bounds\n\u00e4,b,c".encode("latin-1"), "'utf-8' codec can't decode"),
    ],
)
def test_read_rows_when_structure_is_broken_then_line_named(data: bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(data, "raw/annotations.csv")

    assert says in caught.value.message
    assert caught.value.path == "raw/annotations.csv"
    line = says.split()[1] if "fields" in says else ""
    assert caught.value.where == f"raw/annotations.csv{f':{line}' if line else ''}"
    assert caught.value.hint


NUMBERS = st.one_of(st.integers(-5000, 5000), st.floats(-1e4, 1e4, allow_nan=False))


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_parse_bounds_when_python_wrote_them_then_read_back(bounds: tuple[float, ...]) -> None:
    """As tuples and as lists, with exponents too."""
    assert parse_bounds(str(bounds)) == bounds
    assert parse_bounds(str(list(bounds))) == bounds


@pytest.mark.parametrize(
    "text",
    ["", "(1, 2, 3)", "(1, 2, 3, 4, 5)", "(1, 2, 3, x)", "(1, nan, 3, 4)", "(1, 2, 3, 1e999)"],
)
def test_parse_bounds_when_not_four_numbers_then_none(text: str) -> None:
    assert parse_bounds(text) is None


@pytest.mark.parametrize("text", ["1" * 100_000 + "x", "(1, 2, 3, 4" + " " * 100_000 + "x"])
def test_parse_bounds_when_long_and_wrong_then_none_at_once(text: str) -> None:
    """Time grows with the length, not with its square."""
    started = time.process_time()

    assert parse_bounds(text) is None

    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "block", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 20))]
)
def test_read_rows_when_letters_are_spoiled_then_read_or_refused(block: int) -> None:
    """A thousand files of a block, each with one to six letters replaced, added or taken away."""
    letters = "\",;\t|\r\n ()'\u201c\u201d\0\u00e90a\\"
    text = "".join(f'a{n}, oil-storage-tank ,"({n}, 2, {n + 9}, 14)"\r\n' for n in range(12))
    for seed in range(block * 1000, (block + 1) * 1000):
        draw = random.Random(seed)
        spoiled = list(f"image_id,class,bounds\n{text}")
        for _ in range(draw.randint(1, 6)):
            place = draw.randrange(len(spoiled))
            new = draw.choice(["", draw.choice(letters), spoiled[place] + draw.choice(letters)])
            spoiled[place] = new
        data = "".join(spoiled).encode()[: draw.choice([None, None, None, 200])]

        try:
            rows = read_rows(data, "annotations.csv")
        except DataError as error:
            refusal = error
        else:
            assert all(row.line >= 2 for row in rows)
            continue

        assert refusal.hint, seed
