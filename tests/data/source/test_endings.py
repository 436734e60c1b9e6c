# SPDX-License-Identifier: Apache-2.0
"""The endings in which names of images and masks differ are found, and the hint says them."""

from __future__ import annotations

import pytest

from zoo.data import Report, SourceFile, find_endings, pair_by_stem
from zoo.errors import DataError

NAMES = {
    "numbers": [f"im{number:03}" for number in range(30)],
    "bare numbers": [str(number) for number in range(8, 120)],
    "parts": [f"case_{n // 3}_slice{n % 3}" for n in range(24)],
    "words": ["ash", "birch", "birch_old", "cedar", "elm"],
}
ENDINGS = [
    ("", "_mask"),
    ("", "-seg"),
    ("", "_L"),
    ("_image", "_mask"),
    ("_training", "_manual1"),
    ("_leftImg8bit", "_gtFine_labelIds"),
    (".rgb", ".label"),
    ("_sat", "_mask"),
    ("_rgb", ""),
]


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("image", "mask"), ENDINGS)
def test_find_endings_when_names_differ_in_them_then_first(
    names: list[str], image: str, mask: str
) -> None:
    """Most images have a mask by them; names that go on with a number do not mislead."""
    images = [f"{name}{image}" for name in names]
    masks = [f"{name}{mask}" for name in names]

    found = find_endings(images, masks)

    assert (found[0].image, found[0].mask, found[0].count) == (image, mask, len(names))


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("image", "mask"), [each for each in ENDINGS if all(each)])
def test_find_endings_when_both_are_in_one_folder_then_both_ways(
    names: list[str], image: str, mask: str
) -> None:
    files = [f"{name}{end}" for name in names for end in (image, mask)]

    found = [(each.image, each.mask) for each in find_endings(files, files)[:2]]

    assert sorted(found) == sorted([(image, mask), (mask, image)])


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ([], []),
        (["a"], ["b"]),
        ([f"a_{n}" for n in range(20)], [f"b_{n}" for n in range(20)]),
        ([f"x{n}" for n in range(20)], [f"x{n}" for n in range(20, 40)]),
    ],
)
def test_find_endings_when_names_have_nothing_in_common_then_none(
    images: list[str], masks: list[str]
) -> None:
    assert [each for each in find_endings(images, masks) if each.count] == []


@pytest.mark.parametrize(("image", "mask"), [each for each in ENDINGS if each[1]])
def test_pair_by_stem_when_endings_are_not_stated_then_the_hint_does(image: str, mask: str) -> None:
    images = [SourceFile(f"images/{name}{image}.png", 1) for name in NAMES["numbers"]]
    masks = [SourceFile(f"masks/{name}{mask}.png", 1) for name in NAMES["numbers"]]

    with pytest.raises(DataError) as caught:
        pair_by_stem(images, masks, report=Report())

    assert f"--mask-suffix={mask}" in str(caught.value.hint)
    assert (f"--image-suffix={image}" in str(caught.value.hint)) == bool(image)


def test_pair_by_stem_when_some_masks_have_an_ending_then_noted() -> None:
    """As where two sets were put together."""
    images = [SourceFile(f"images/{name}.png", 1) for name in "abcdef"]
    masks = [SourceFile(f"masks/{name}.png", 1) for name in "abc"]
    masks += [SourceFile(f"masks/{name}_mask.png", 1) for name in "def"]
    report = Report()

    pairs = pair_by_stem(images, masks, report=report)

    assert len(pairs) == 3
    assert [line.text for line in report.notes] == [
        "3 images and masks are left out that would be pairs with --mask-suffix=_mask"
    ]
