# SPDX-License-Identifier: Apache-2.0
"""Values and colours become ids exactly, and what is not listed is refused with its pixels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")

from zoo_folder_data.classes import parse_classes  # noqa: E402
from zoo_folder_data.masks import MaskEncoder  # noqa: E402
from zoo_folder_data.survey import survey_masks  # noqa: E402

from zoo.data import Pair  # noqa: E402 (after the skip)
from zoo.errors import DataError  # noqa: E402

_VALUES = parse_classes(
    'ignore=[255]\n[[class]]\nname="a"\nvalue=0\n[[class]]\nname="b"\nvalue=[1,900]', "x"
)
_COLORS = parse_classes(
    'ignore=["#ffffff"]\n[[class]]\nname="a"\ncolor="#000000"\n[[class]]\nname="b"\ncolor="#804080"',
    "x",
)
_PAIR = Pair("m", "m", "images/m.png", ("masks/m.png",))


def _encode(classes: Any, mask: Any, pair: Pair = _PAIR) -> tuple[list[list[int]], list[str]]:
    labels, repairs = MaskEncoder(classes)([mask], pair)
    assert labels.dtype == np.uint8
    return labels.tolist(), repairs


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_encoder_when_grey_then_ids(dtype: type) -> None:
    """At 8 and 16 bits."""
    assert _encode(_VALUES, np.array([[0, 1, 255]], dtype)) == ([[0, 1, 255]], [])


def test_encoder_when_value_exceeds_8_bits_then_id() -> None:
    """16-bit masks may use all of their values."""
    assert _encode(_VALUES, np.array([[900, 0]], np.uint16)) == ([[1, 0]], [])


def test_encoder_when_colour_file_of_grey_then_read_and_reported() -> None:
    """Three equal channels are one."""
    mask = np.repeat(np.array([[0, 1, 255]], np.uint8)[..., None], 3, axis=2)

    assert _encode(_VALUES, mask) == (
        [[0, 1, 255]],
        ["colour mask of equal channels read as grey"],
    )


def test_encoder_when_colours_then_ids() -> None:
    """RGB, in this order; grey pixels count as the colour of three equal channels."""
    mask = np.array([[(128, 64, 128), (0, 0, 0), (255, 255, 255)]], np.uint8)

    assert _encode(_COLORS, mask) == ([[1, 0, 255]], [])
    assert _encode(_COLORS, np.array([[0, 255]], np.uint8)) == ([[0, 255]], [])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 255, 900]), min_size=1, max_size=30))
def test_encoder_when_any_listed_values_then_equal_to_table(values: list[int]) -> None:
    """Against a plain dictionary."""
    expected = [{0: 0, 1: 1, 900: 1, 255: 255}[value] for value in values]

    assert _encode(_VALUES, np.array([values], np.uint16))[0] == [expected]


def test_encoder_when_value_is_not_listed_then_file_values_and_pixels_named() -> None:
    """The most frequent first."""
    mask = np.array([[0, 7, 7, 7, 4, 1]], np.uint8)

    with pytest.raises(DataError) as caught:
        _encode(_VALUES, mask)

    assert caught.value.message == (
        "cannot read the mask 'masks/m.png': found values that no class lists: 7 (3 px), "
        "4 (1 px); expected 0, 1, 255, 900."
    )
    assert caught.value.hint == "list them in the file of classes, as a class or under ignore."


def test_encoder_when_colour_is_not_listed_then_spelt_as_in_file() -> None:
    """Ready to be copied into the file of classes."""
    with pytest.raises(DataError, match=r"colours that no class lists: #0a0b0c \(1 px\)"):
        _encode(_COLORS, np.array([[(10, 11, 12), (0, 0, 0)]], np.uint8))


def test_encoder_when_many_are_not_listed_then_counted() -> None:
    """A photograph in place of a mask does not fill the screen."""
    with pytest.raises(DataError, match="and 92 more; expected"):
        _encode(_VALUES, np.arange(2, 102, dtype=np.uint8)[None])


def test_encoder_when_mask_is_jpeg_then_hint_says_so() -> None:
    """Blur is the usual reason for unexpected values."""
    with pytest.raises(DataError) as caught:
        _encode(_VALUES, np.array([[2]], np.uint8), Pair("m", "m", "i/m.jpg", ("masks/m.jpg",)))

    assert caught.value.hint == "JPEG blurs masks: export them as PNG."


def test_encoder_when_value_lies_between_ranges_then_hint_names_the_gap() -> None:
    """What no range has, where the mask holds it."""
    classes = parse_classes(
        '[[class]]\nname="a"\nvalues="0-99"\n[[class]]\nname="b"\nvalues="150-255"', "x"
    )

    with pytest.raises(DataError, match=r"120 \(2 px\); expected 0-99, 150-255") as caught:
        _encode(classes, np.array([[0, 120, 120, 200]], np.uint8))

    assert caught.value.hint == (
        '"100-149" belongs to no class: extend a range to it, or list it under ignore.'
    )


def test_encoder_when_a_mask_is_blurred_then_hint_is_a_range() -> None:
    """Many unlisted values come from blur."""
    with pytest.raises(DataError) as caught:
        _encode(_VALUES, np.arange(2, 102, dtype=np.uint8)[None])

    assert 'values = "0-127"' in str(caught.value.hint)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=20), st.booleans())
def test_encoder_when_unlisted_is_nearest_or_ignored_then_equal_to_distances(
    keys: list[int], nearest: bool
) -> None:
    """Against distances worked out one by one; the lower colour wins where two are as near."""
    colors = {(0, 0, 0): 0, (0, 0, 255): 2, (128, 64, 128): 1}
    text = 'unlisted = "nearest"\n' if nearest else 'unlisted = "ignore"\n'
    for name, color in (("a", "#000000"), ("b", "#804080"), ("c", "#0000ff")):
        text += f'[[class]]\nname="{name}"\ncolor="{color}"\n'
    pixels = [(key >> 16, key >> 8 & 255, key & 255) for key in keys]

    found, repairs = _encode(parse_classes(text, "x"), np.array([pixels], np.uint8))

    def away(pixel: tuple[int, ...], color: tuple[int, ...]) -> int:
        return sum((a - b) ** 2 for a, b in zip(pixel, color, strict=True))

    by_distance = [colors[min(colors, key=lambda c: away(p, c))] for p in pixels]
    expected = by_distance if nearest else [colors.get(pixel, 255) for pixel in pixels]
    assert found == [expected]
    assert len(repairs) == (not set(pixels) <= colors.keys())


@pytest.mark.parametrize(
    ("classes", "mask", "told"),
    [
        (_VALUES, np.array([[(1, 2, 3)]], np.uint8), "found colours, expected one value per pixel"),
        (_COLORS, np.array([[(1, 2, 3)]], np.uint16), "found 16-bit colours, expected 8-bit"),
    ],
)
def test_encoder_when_kind_does_not_fit_then_refused(classes: Any, mask: Any, told: str) -> None:
    """Colours for values and the reverse."""
    with pytest.raises(DataError, match=told) as caught:
        _encode(classes, mask)

    assert caught.value.hint


def test_survey_masks_when_one_is_coloured_then_all_by_colour() -> None:
    """An empty mask among colour masks is black, not 0."""
    grey, color = np.zeros((2, 2), np.uint8), np.full((1, 2, 3), (1, 2, 3), np.uint8)

    assert survey_masks([grey, color]) == ["#000000", "#010203"]
    assert survey_masks([grey, np.full((1, 1), 900, np.uint16)]) == ["0", "900"]
