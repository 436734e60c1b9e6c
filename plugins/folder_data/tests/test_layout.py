# SPDX-License-Identifier: Apache-2.0
"""Folders are found, files are paired by path, groups by expression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zoo_folder_data.layout import find_layout, find_pairs

from zoo.data import Report, open_source
from zoo.errors import DataError


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _find(root: Path, images: str = "images", masks: str = "masks", **options: str) -> Any:
    report = Report()
    settings = {"image_suffix": "", "mask_suffix": "", "group_by": ""} | options
    with open_source(root) as source:
        layout = find_layout(source, images, masks)
        pairs = find_pairs(source, layout, report, **settings)
    return [(pair.stem, pair.group, pair.image, pair.masks[0]) for pair in pairs], report


@pytest.mark.parametrize("top", ["", "set/", "a/b/"])
def test_find_layout_when_nested_then_found(tmp_path: Path, top: str) -> None:
    """Archives often hold one folder around everything."""
    root = _touch(tmp_path, f"{top}images/x.png", f"{top}masks/x.png")

    pairs, _ = _find(root)

    assert pairs == [("x", "x", f"{top}images/x.png", f"{top}masks/x.png")]


def test_find_layout_when_two_sets_then_refused(tmp_path: Path) -> None:
    """Neither is better than the other."""
    names = [f"{s}/{f}/x.png" for s in ("one", "two") for f in ("images", "masks")]

    with pytest.raises(DataError, match="in 'one' and in 'two'"):
        _find(_touch(tmp_path, *names))


@pytest.mark.parametrize(
    ("names", "told", "option"),
    [
        (["images/x.png"], "cannot find the masks: found 'images'", "--masks"),
        (
            ["pics/x.png", "masks/x.png"],
            "cannot find the images: found 'masks', 'pics'",
            "--images",
        ),
        (["x.png"], "cannot find the images: found no folder", "--images"),
    ],
)
def test_find_layout_when_folder_is_missing_then_option_named(
    tmp_path: Path, names: list[str], told: str, option: str
) -> None:
    """The message lists what is there."""
    with pytest.raises(DataError) as caught:
        _find(_touch(tmp_path, *names))

    assert told in caught.value.message
    assert option in str(caught.value.hint)


def test_find_pairs_when_in_subfolders_then_stem_holds_path(tmp_path: Path) -> None:
    """Equal names in two folders stay apart."""
    names = [f"{f}/{s}/x.png" for f in ("images", "masks") for s in ("a", "b")]

    pairs, _ = _find(_touch(tmp_path, *names), group_by="^([^/]+)/")

    assert [pair[:2] for pair in pairs] == [("a__x", "a"), ("b__x", "b")]


def test_find_pairs_when_suffixes_then_stripped(tmp_path: Path) -> None:
    """As Cityscapes names its files; other products of the same image are left out."""
    root = _touch(
        tmp_path,
        "left/bonn/a_left.png",
        "left/bonn/thumb.png",
        "fine/bonn/a_fine_ids.png",
        "fine/bonn/a_fine_color.png",
    )

    pairs, report = _find(root, "left", "fine", image_suffix="_left", mask_suffix="_fine_ids")

    assert [pair[0] for pair in pairs] == ["bonn__a"]
    assert sorted(line.file for line in report.dropped) == [
        "fine/bonn/a_fine_color.png",
        "left/bonn/thumb.png",
    ]


@pytest.mark.parametrize(
    ("names", "images", "masks"),
    [
        (["x.png", "x_mask.png", "classes.toml"], ".", "."),
        (["d/x.png", "d/x_mask.png"], "d", "d"),
        (["x.png", "masks/x.png", "classes.toml"], ".", "masks"),
        (["x.png", "masks/x_mask.png"], ".", "masks"),
    ],
)
def test_find_pairs_when_folders_share_files_then_told_apart(
    tmp_path: Path, names: list[str], images: str, masks: str
) -> None:
    """By the masks' ending, or by the inner folder."""
    pairs, report = _find(_touch(tmp_path, *names), images, masks, mask_suffix="_mask")

    assert [pair[0] for pair in pairs] == ["x"]
    assert report.dropped == []


def test_find_pairs_when_one_folder_and_no_ending_then_refused(tmp_path: Path) -> None:
    """Nothing tells images from masks."""
    with pytest.raises(DataError, match="both are in one folder") as caught:
        _find(_touch(tmp_path, "x.png"), ".", ".")

    assert "--mask-suffix" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("group_by", "told"),
    [
        ("(", "cannot group by '('"),
        ("^q", "matches nothing in it"),
        ("(q)?", "matches nothing in it"),
    ],
)
def test_find_pairs_when_expression_does_not_fit_then_refused(
    tmp_path: Path, group_by: str, told: str
) -> None:
    """A patient without a name would be torn apart in silence."""
    with pytest.raises(DataError) as caught:
        _find(_touch(tmp_path, "images/x.png", "masks/x.png"), group_by=group_by)

    assert told in caught.value.message
    assert "--group-by" in str(caught.value.hint)
