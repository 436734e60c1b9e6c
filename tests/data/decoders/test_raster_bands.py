# SPDX-License-Identifier: Apache-2.0
"""The bands that a user asks for: three numbers, or one message."""

from __future__ import annotations

import pytest

from zoo.data.decoders.raster_bands import parse_bands
from zoo.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3,2,1", (3, 2, 1)),
        (" 1, 1 ,1", (1, 1, 1)),
        ("", None),
        (None, None),
        ("8,4,13", (8, 4, 13)),
    ],
)
def test_parse_bands_when_right_then_read(
    text: str | None, expected: tuple[int, int, int] | None
) -> None:
    """Red, green and blue, from 1; the same band may stand for several."""
    assert expected == parse_bands(text)


@pytest.mark.parametrize(
    "text",
    ["3", "3,2", "3,2,1,4", "0,1,2", "-1,2,3", "a,b,c", "1.5,2,3", "²,1,1", "9" * 5000, ",,"],
)
def test_parse_bands_when_wrong_then_refused(text: str) -> None:
    """The text is quoted, and the hint can be followed."""
    with pytest.raises(DataError, match="expected three numbers from 1") as caught:
        parse_bands(text)

    assert caught.value.where == "--bands"
    assert parse_bands(str(caught.value.hint).split()[-1].rstrip(".")) == (3, 2, 1)
