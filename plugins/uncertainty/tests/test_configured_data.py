# SPDX-License-Identifier: Apache-2.0
"""The training images of a config, whatever wraps its data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zoo_uncertainty.configured_data import digests_of_config

from zoo.data import SPLITS, read_prepared

pytestmark = [pytest.mark.mm]


def digests_of(root: Path, *splits: str) -> set[str]:
    rows = [row for row in read_prepared(root).files if row.split in splits]
    return {digest for row in rows for digest in (row.image_sha256, row.source_sha256)}


def leaf_of(root: Path, ann_file: str | None) -> dict[str, Any]:
    stated = {} if ann_file is None else {"ann_file": ann_file}
    return {"type": "BaseSegDataset", "data_root": str(root), **stated}


@pytest.mark.parametrize(
    ("ann_file", "splits"),
    [
        ("splits/train.txt", ("train",)),
        ("splits/val.txt", ("val",)),
        ("", SPLITS),
        (None, SPLITS),
        ("mine.txt", SPLITS),
    ],
)
def test_images_are_those_of_the_list_that_the_config_names(
    planted_data: Path, ann_file: str | None, splits: tuple[str, ...]
) -> None:
    """Without a list of a split, any image of the folder may be of it."""
    config = {"train_dataloader": {"dataset": leaf_of(planted_data, ann_file)}}

    assert digests_of_config(config) == digests_of(planted_data, *splits)


def test_images_of_data_sets_in_wrappers_are_all_found(planted_data: Path) -> None:
    parts = [leaf_of(planted_data, f"splits/{split}.txt") for split in ("train", "val")]
    repeated = {"type": "RepeatDataset", "times": 2, "dataset": parts[1]}
    joined = {"type": "ConcatDataset", "datasets": [parts[0], repeated]}

    found = digests_of_config({"train_dataloader": {"dataset": joined}})

    assert found == digests_of(planted_data, "train", "val")


def test_config_that_names_no_prepared_folder_says_nothing(
    planted_data: Path, tmp_path: Path
) -> None:
    """One folder of several that is not here is enough: its images may be any."""
    here, gone = (leaf_of(root, "splits/train.txt") for root in (planted_data, tmp_path / "gone"))
    both = {"type": "ConcatDataset", "datasets": [here, gone]}
    for dataset in (gone, both, {"type": "BaseSegDataset"}, {"type": "X", "data_root": ""}):
        assert digests_of_config({"train_dataloader": {"dataset": dataset}}) is None
    assert digests_of_config({}) is None
    assert digests_of_config({"train_dataloader": None}) is None


def test_folder_counts_only_if_it_is_the_one_that_the_run_noted(planted_data: Path) -> None:
    loader = {"dataset": leaf_of(planted_data, "splits/train.txt")}
    noted = read_prepared(planted_data).digest

    same = digests_of_config({"train_dataloader": loader, "zoo_data_digest": noted})
    other = digests_of_config({"train_dataloader": loader, "zoo_data_digest": "0" * 64})

    assert same == digests_of(planted_data, "train")
    assert other is None
