# SPDX-License-Identifier: Apache-2.0
"""Masks find their images by name, and nobody disappears without a word."""

from __future__ import annotations

import unicodedata

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
        ReportLine("i/notes.txt", "not an image, by its suffix '.txt'"),
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
        (("i/a.png",), ("m/b.png",), "but no equal stems, such as 'a' and 'b'"),
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


NFC, NFD = (unicodedata.normalize(form, "Gefäß_é") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("image", "mask"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)])
@pytest.mark.parametrize("suffix", ["", "_mask", "_müll"])
def test_pair_by_stem_when_forms_of_unicode_differ_then_paired(
    image: str, mask: str, suffix: str
) -> None:
    """macOS splits accents from their letters; the image's spelling becomes the stem."""
    masks = _files(f"m/{mask}{unicodedata.normalize('NFD', suffix)}.png")
    report = Report()

    pairs = pair_by_stem(_files(f"i/{image}.png"), masks, report=report, mask_suffix=suffix)

    assert pairs == [StemPair(image, f"i/{image}.png", masks[0].path)]
    assert report.dropped == []


def test_pair_by_stem_when_both_forms_are_there_then_each_has_its_own() -> None:
    """Two files on Linux, and no guess which is which."""
    pairs = pair_by_stem(
        _files(f"i/{NFC}.png", f"i/{NFD}.png"),
        _files(f"m/{NFC}.png", f"m/{NFD}.png"),
        report=Report(),
    )

    assert {(pair.image[2:], pair.mask[2:]) for pair in pairs} == {
        (f"{NFC}.png", f"{NFC}.png"),
        (f"{NFD}.png", f"{NFD}.png"),
    }


def test_pair_by_stem_when_two_masks_look_alike_then_both_named() -> None:
    with pytest.raises(DataError, match="expected one"):
        pair_by_stem(
            _files(f"i/{NFC}.png"), _files(f"m/{NFC}.png", f"m/{NFD}.png"), report=Report()
        )


def test_pair_by_stem_when_some_differ_in_case_alone_then_noted() -> None:
    """They are left out, because another name may be another image; and it is said."""
    report = Report()

    pair_by_stem(
        _files("i/a.png", "i/IMG_1.png", "i/IMG_2.png", "i/x.png"),
        _files("m/a.png", "m/img_1.png", "m/img_2.png"),
        report=report,
    )

    assert [line.text for line in report.notes] == [
        "2 images and masks are left out because their names differ only in upper and lower "
        "case, such as "
        "'IMG_1' and 'img_1'"
    ]


@pytest.mark.parametrize(
    ("images", "masks", "near", "hint"),
    [
        (("IMG_0", "IMG_1"), ("a", "img_0"), "'IMG_0' and 'img_0'", "also in upper and lower case"),
        (("a0", "a1"), ("a0.jpg", "a1.jpg"), "'a0' and 'a0.jpg'", "add --mask-suffix=.jpg."),
        (("a0", "a1"), ("a0_seg", "a1_seg"), "'a0' and 'a0_seg'", "add --mask-suffix=_seg."),
        (("x_0007",), ("b", "x_0008"), "'x_0007' and 'x_0008'", "the stems of their images"),
    ],
)
def test_pair_by_stem_when_no_pairs_then_the_nearest_mask_is_named(
    images: tuple[str, ...], masks: tuple[str, ...], near: str, hint: str
) -> None:
    """What differs is seen at a glance, and an ending is what --mask-suffix takes."""
    with pytest.raises(DataError) as caught:
        pair_by_stem(
            _files(*(f"i/{name}.png" for name in images)),
            _files(*(f"m/{name}.png" for name in masks)),
            report=Report(),
        )

    assert caught.value.message.endswith(f"but no equal stems, such as {near}.")
    assert hint in str(caught.value.hint)
