# SPDX-License-Identifier: Apache-2.0
"""Masks find their images by name, and nobody disappears without a word."""

from __future__ import annotations

import pytest

from zoo.data import Report, SourceFile, StemPair, pair_by_stem
from zoo.data.report import ReportLine
from zoo.errors import DataError


def _files(*paths: str) -> list[SourceFile]:
    return [SourceFile(path, 1) for path in paths]


def test_pair_by_stem_when_with_and_without_suffix_then_both_pair() -> None:
    """As the public chest X-rays have it: one hospital's masks carry _mask, the other's do not."""
    report = Report()

    pairs = pair_by_stem(
        _files("i/b.png", "i/a.jpg"),
        _files("m/a_mask.png", "m/b.PNG"),
        report=report,
        mask_suffix="_mask",
    )

    expected = [StemPair("a", "i/a.jpg", "m/a_mask.png"), StemPair("b", "i/b.png", "m/b.PNG")]
    assert expected == pairs
    assert report.counts == {"images": 2, "masks": 2, "pairs": 2}


def test_pair_by_stem_when_image_carries_suffix_itself_then_own_stem_wins() -> None:
    """The mask of an image called x_mask is x_mask."""
    pairs = pair_by_stem(
        _files("i/x_mask.png"), _files("m/x_mask.png"), report=Report(), mask_suffix="_mask"
    )

    assert [StemPair("x_mask", "i/x_mask.png", "m/x_mask.png")] == pairs


def test_pair_by_stem_when_unpaired_then_dropped_with_reason() -> None:
    """Either side may lack a partner; what is no picture is left out too."""
    report = Report()

    pair_by_stem(
        _files("i/a.png", "i/b.png", "i/notes.txt"), _files("m/a.png", "m/c.png"), report=report
    )

    assert sorted(report.dropped) == [
        ReportLine("i/b.png", "image without a mask"),
        ReportLine("i/notes.txt", "no picture by its suffix '.txt'"),
        ReportLine("m/c.png", "mask without an image called 'c'"),
    ]


@pytest.mark.parametrize(
    ("images", "masks", "first", "second"),
    [
        (("i/a.png", "i/a.jpg"), ("m/a.png",), "i/a.png", "i/a.jpg"),
        (("i/a.png",), ("m/a.png", "m/a.tif"), "m/a.png", "m/a.tif"),
        (("i/a.png",), ("m/a.png", "m/a_mask.png"), "m/a.png", "m/a_mask.png"),
    ],
)
def test_pair_by_stem_when_stem_twice_then_both_named(
    images: tuple[str, ...], masks: tuple[str, ...], first: str, second: str
) -> None:
    """Which one is meant is not guessed."""
    with pytest.raises(DataError) as caught:
        pair_by_stem(
            _files(*images), _files(*masks), report=Report(), mask_suffix="_mask", where="raw"
        )

    assert f"found {first!r} and {second!r}, expected one" in caught.value.message
    assert caught.value.where == "raw"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("images", "masks", "found"),
    [
        (("i/a.png",), (), "found 1 images and 0 masks, no masks at all"),
        ((), ("m/a.png",), "found 0 images and 1 masks, no images at all"),
        (("i/a.png",), ("m/b.png",), "but none of equal stem, as 'a' and 'b'"),
    ],
)
def test_pair_by_stem_when_no_pairs_then_refused(
    images: tuple[str, ...], masks: tuple[str, ...], found: str
) -> None:
    """An empty data set is an error, not a result."""
    with pytest.raises(DataError, match=found) as caught:
        pair_by_stem(_files(*images), _files(*masks), report=Report())

    assert caught.value.hint


def test_pair_by_stem_when_names_are_given_then_used() -> None:
    """A plugin may name files by more than their stems."""
    image, mask = _files("i/s/a.png", "m/s/a.png")

    pairs = pair_by_stem([("s/a", image)], [("s/a", mask)], report=Report())

    assert [StemPair("s/a", "i/s/a.png", "m/s/a.png")] == pairs
