# SPDX-License-Identifier: Apache-2.0
"""The file of classes says what masks hold, and every slip in it is named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("zoo_folder_data")

from zoo_folder_data.classes import choose_color, format_color, parse_classes

from zoo.errors import DataError

_CLASS = '[[class]]\nname = "a"\n'


def test_parse_classes_when_values_then_ids_in_order() -> None:
    """Several values may mean one class; ignored ones become 255; missing colours are chosen."""
    found = parse_classes(
        'ignore = [9]\n[[class]]\nname="a"\nvalue=0\n[[class]]\nname="b"\nvalue=[1, 700]\n'
        'color="#ff8000"\n[[class]]\nname="c"\nvalue=2',
        "classes.toml",
    )

    assert found.names == ("a", "b", "c")
    assert found.ids == {0: 0, 1: 1, 700: 1, 2: 2, 9: 255}
    assert found.palette == ((0, 0, 0), (255, 128, 0), choose_color(2))
    assert not found.by_color
    assert found.to_options() == {"0": 0, "1": 1, "2": 2, "9": 255, "700": 1}


def test_parse_classes_when_no_values_then_colours_are_keys() -> None:
    """Written as text or as three numbers, one or several."""
    found = parse_classes(
        'ignore = ["#FFFFFF"]\n[[class]]\nname="a"\ncolor=[0, 0, 1]\n'
        '[[class]]\nname="b"\ncolor=["#000002", [0, 1, 0]]',
        "classes.toml",
    )

    assert found.by_color
    assert found.ids == {1: 0, 2: 1, 256: 1, 0xFFFFFF: 255}
    assert found.palette == ((0, 0, 1), (0, 0, 2))
    assert found.to_options() == {"#000001": 0, "#000002": 1, "#000100": 1, "#ffffff": 255}


@pytest.mark.parametrize(
    ("spelled", "spans"),
    [
        ('"0-127"', [(0, 127)]),
        ('"< 128"', [(0, 127)]),
        ('"<=127"', [(0, 127)]),
        ('">=65000"', [(65000, 65535)]),
        ('">64999"', [(65000, 65535)]),
        ("7", [(7, 7)]),
        ('"7"', [(7, 7)]),
        ("[3, 1]", [(1, 1), (3, 3)]),
        ('["5-9", 1, "20 - 30"]', [(1, 1), (5, 9), (20, 30)]),
        ('"5-9, 1,20-30"', [(1, 1), (5, 9), (20, 30)]),
    ],
)
def test_parse_classes_when_ranges_then_each_value_has_the_id(
    spelled: str, spans: list[tuple[int, int]]
) -> None:
    """In every spelling; ``ignore`` takes the same."""
    other = '[[class]]\nname = "b"\nvalues = 40000\n'
    kept = parse_classes(f"{_CLASS}values = {spelled}\n{other}", "x")
    ignored = parse_classes(f"ignore = {spelled}\n{other}", "x")

    values = {value for low, high in spans for value in range(low, high + 1)}
    assert kept.ids == {**dict.fromkeys(values, 0), 40000: 1}
    assert ignored.ids == {**dict.fromkeys(values, 255), 40000: 0}


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda p: (p[0], p[0] + p[1])),
        min_size=1,
        max_size=6,
    )
)
def test_parse_classes_when_ranges_overlap_then_refused_else_all_there(
    spans: list[tuple[int, int]],
) -> None:
    """Against a count of how often each value is given."""
    text = "".join(
        f'[[class]]\nname = "c{index}"\nvalues = "{low}-{high}"\n'
        for index, (low, high) in enumerate(spans)
    )
    given_values = [value for low, high in spans for value in range(low, high + 1)]

    if len(set(given_values)) == len(given_values):
        found = parse_classes(text, "x")
        assert found.ids == {
            value: index
            for index, (low, high) in enumerate(spans)
            for value in range(low, high + 1)
        }
        options = found.to_options()
        assert len(options) == len(spans)
        assert set(options.values()) == set(range(len(spans)))
    else:
        with pytest.raises(DataError, match=r"for class 'c.' and for class 'c.'") as caught:
            parse_classes(text, "x")
        assert caught.value.hint == "give it to one of them."


def test_parse_classes_when_two_ranges_overlap_then_what_both_have_is_named() -> None:
    """The class that the file gives first is named first."""
    text = _CLASS + 'values = "100-255"\n[[class]]\nname = "b"\nvalues = "0-127"'

    with pytest.raises(DataError) as caught:
        parse_classes(text, "x")

    assert "found 100-127 for class 'a' and for class 'b'." in caught.value.message


@pytest.mark.parametrize(
    "spelled",
    ['"128-"', '"9-3"', '"a"', '""', "[]", '[""]', "1.5", "true", '"1-70000"', '"<0"', "[[1, 2]]"],
)
def test_parse_classes_when_ranges_make_no_sense_then_refused(spelled: str) -> None:
    """What was written is quoted, and the hint shows a range."""
    with pytest.raises(DataError, match="class 'a' has the values") as caught:
        parse_classes(f"{_CLASS}values = {spelled}", "x")

    assert 'values = "128-255"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("row", "told", "hint"),
    [
        ('value = "128-255"', "has the value '128-255'", 'write a range as values = "128-255".'),
        ('value = 1\nvalues = "2-3"', "has a value and values", "write all of them under values."),
    ],
)
def test_parse_classes_when_value_and_values_are_mixed_up_then_hint(
    row: str, told: str, hint: str
) -> None:
    with pytest.raises(DataError, match=told) as caught:
        parse_classes(_CLASS + row, "x")

    assert caught.value.hint == hint


def test_parse_classes_when_unlisted_is_no_choice_then_named() -> None:
    with pytest.raises(DataError, match="unlisted is 'near', expected one of 'refuse', 'ignore'"):
        parse_classes(f'unlisted = "near"\n{_CLASS}value = 0', "x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found no [[class]]"),
        ("class = 3", "found no [[class]]"),
        ("[[class]\n", "it is not valid TOML: Expected"),
        ("ignored = [1]\n" + _CLASS + "value = 0", "the key 'ignored' in the file"),
        (_CLASS + "value = 0\ncolour = 1", "the key 'colour' in class 0"),
        ('[[class]]\nname = ""\nvalue = 0', "class 0 has the name ''"),
        ("[[class]]\nvalue = 0", "class 0 has the name None"),
        (_CLASS, "class 'a' has no color"),
        (_CLASS + 'value = 0\n[[class]]\nname = "b"', "class 'b' has no value"),
        (_CLASS + "value = -1", "class 'a' has the value -1"),
        (_CLASS + "value = 65536", "class 'a' has the value 65536"),
        (_CLASS + "value = true", "class 'a' has the value True"),
        (_CLASS + 'value = "1"', "class 'a' has the value '1'"),
        (_CLASS + "value = 0\n" + _CLASS + "value = 1", "found class 'a' twice"),
        (_CLASS + "value = [1, 1]", "found 1 for class 'a' and for class 'a'"),
        ("ignore = [0]\n" + _CLASS + "value = 0", "found 0 for class 'a' and for ignore"),
        (_CLASS + 'color = "#12345"', "class 'a' has the color '#12345'"),
        (_CLASS + 'color = "#1234zz"', "class 'a' has the color '#1234zz'"),
        (_CLASS + 'color = "red"', "class 'a' has the color 'red'"),
        (_CLASS + "color = [1, 2]", "class 'a' has the color [1, 2]"),
        (_CLASS + "color = [1, 2, 256]", "class 'a' has the color [1, 2, 256]"),
        (_CLASS + "color = [1.0, 2, 3]", "class 'a' has the color"),
        ("".join(f'[[class]]\nname="{i}"\nvalue={i}\n' for i in range(256)), "found 256, expected"),
    ],
)
def test_parse_classes_when_wrong_then_named(text: str, told: str) -> None:
    """The message quotes it, the place is the file, and there is a hint."""
    with pytest.raises(DataError) as caught:
        parse_classes(text, "raw/classes.toml")

    assert told in caught.value.message
    assert caught.value.where == "raw/classes.toml"
    assert caught.value.hint


def test_parse_classes_when_key_is_misspelt_then_near_name() -> None:
    """One letter off is recognised."""
    with pytest.raises(DataError) as caught:
        parse_classes(_CLASS + "valeu = 0", "x")

    assert caught.value.hint == "did you mean value?"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300))
def test_choose_color_when_any_class_then_a_colour(index: int) -> None:
    """For any number of classes, in range."""
    assert len(format_color(choose_color(index))) == 7


def test_choose_color_when_first_classes_then_all_different() -> None:
    """Twenty classes can be told apart."""
    assert len({choose_color(index) for index in range(20)}) == 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[class]]\nname = 'a'\nvalue = " + "9" * 5_000, "an integer beyond 64 bits"),
        ("[[class]]\nname = 'a'\nvalue = 0x" + "f" * 400, "an integer beyond 64 bits"),
        ("a = " + "[" * 2_000, "nested too deeply"),
        ("a." * 100_000 + "a = 1", "nested too deeply"),
        ("[[class]]\nname = 'a\\u0000'".replace("'", '"'), "a NUL"),
        ("[[class]]\nname = '" + "x" * 2**20 + "'", "bytes, expected at most"),
        ("[[class]]\nname = 1979-05-27", "class 0 has the name 1979-05-27"),
        ("'" + "k" * 10_000 + "' = 1", "found the key 'kkk"),
    ],
    ids=["decimal", "hex", "brackets", "dotted", "NUL", "long", "date", "key"],
)
def test_parse_classes_when_hostile_then_one_short_message(text: str, told: str) -> None:
    """Whatever the file holds, it is refused at once."""
    with pytest.raises(DataError) as caught:
        parse_classes(text, "raw/classes.toml")

    assert told in caught.value.message
    assert len(str(caught.value)) < 500
