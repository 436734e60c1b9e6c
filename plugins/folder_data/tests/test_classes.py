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
