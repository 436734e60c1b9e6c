# SPDX-License-Identifier: Apache-2.0
"""The rows of the shelf say what their sources and the libraries say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import zoo

pytestmark = pytest.mark.mm

PLUGIN = "transformers_weights"


def plugin() -> Any:
    return zoo.read_catalog().plugin(PLUGIN).checked()


def rows() -> list[Any]:
    return list(plugin().weights)


def test_every_row_names_a_commit_of_the_hub_and_a_converter() -> None:
    """No branch, no address elsewhere, and what converts it is the plugin's."""
    converters = {row.name for row in plugin().contributions if row.kind == "converter"}

    assert len(rows()) == 10
    for row in rows():
        assert len(row.urls) == 1
        assert re.fullmatch(r"hf://[\w-]+/[\w-]+@[0-9a-f]{40}/[\w.]+", row.urls[0])
        assert row.converter in converters
        assert row.source


@pytest.mark.slow
def test_classes_are_those_of_openmmlabs_data_sets_in_their_order() -> None:
    """Which the config of the row trains with, too."""
    from mmdet.datasets import CocoDataset
    from mmseg.datasets import ADE20KDataset, CityscapesDataset

    for row in rows():
        last = row.name.rpartition("_")[2]
        data = {"ade20k": ADE20KDataset, "cityscapes": CityscapesDataset, "coco": CocoDataset}[last]
        assert row.classes == tuple(data.METAINFO["classes"]), row.name
        assert len(row.classes) == {"ade20k": 150, "cityscapes": 19, "coco": 80}[last]


def test_weights_whose_authors_forbid_commercial_use_say_so() -> None:
    """NVIDIA's SegFormer and Meta's Mask2Former."""
    restricted = {row.name for row in rows() if row.non_commercial}
    expected = {
        row.name for row in rows() if row.urls[0].startswith(("hf://nvidia", "hf://facebook"))
    }

    assert restricted == expected
    assert len(restricted) == 6
    assert all(row.non_commercial is False for row in rows() if row.name not in restricted)
    assert {row.licence for row in rows() if row.non_commercial} == {
        "LicenseRef-NVIDIA-Source-Code",
        "CC-BY-NC-4.0",
    }


def test_published_metrics_are_percent_with_their_source() -> None:
    found = {row.name: [(m.name, m.value) for m in row.metrics] for row in rows() if row.metrics}

    assert found == {
        "upernet_swin_t_ade20k": [("mIoU", 44.41)],
        "mask2former_swin_t_coco": [("coco/segm_mAP", 45.0)],
        "mask2former_swin_l_ade20k": [("mIoU", 56.1)],
    }
    assert all(m.unit == "percent" and m.published for row in rows() for m in row.metrics)


@pytest.mark.slow
def test_pixels_are_normalized_as_the_hubs_processors_do() -> None:
    """ImageNet's mean and spread; for DPT and BEiT one half of the range. Red comes first."""
    from mmengine.config import Config

    files = {row.name: plugin().folder / row.file for row in plugin().configs}
    imagenet = [
        [255 * value for value in each] for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    ]
    half = [[127.5] * 3] * 2

    for row in rows():
        found = Config.fromfile(files[row.config]).model.data_preprocessor
        expected = half if row.converter in ("dpt", "beit") else imagenet
        assert found.mean == pytest.approx(expected[0]), row.name
        assert found.std == pytest.approx(expected[1]), row.name
        assert found.bgr_to_rgb is True


def test_row_of_upernet_stands_for_openmmlabs_own_file() -> None:
    """The address is one of the index of legacy weights, so its name comes back."""
    index = zoo.read_catalog().plugin("openmmlab_index").checked()
    (file,) = (row.file for row in index.legacy_indexes)
    document = json.loads((index.folder / file).read_text("utf-8"))
    legacy = [dict(zip(document["columns"], row, strict=True)) for row in document["rows"]]

    claimed = {address: row.name for row in rows() for address in row.replaces}

    found = [row["name"] for row in legacy if row["url"] in claimed]
    assert list(claimed.values()) == ["upernet_swin_t_ade20k"]
    assert found == ["swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512"]
