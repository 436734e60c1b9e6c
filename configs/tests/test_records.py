# SPDX-License-Identifier: Apache-2.0
"""What ships can be published and opened: every config's record, and every published file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.catalog import read_catalog
from zoo.manifest.rows import WeightsRow

pytestmark = pytest.mark.mm

# Two-stage, cascaded, by queries, by anchors and without: what their detectors write into a config.
UPSTREAM = (
    "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
    "mmdet::htc/htc-without-semantic_r50_fpn_1x_coco.py",
    "mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    "mmdet::solov2/solov2_r50_fpn_1x_coco.py",
    "mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py",
    "mmdet::queryinst/queryinst_r50_fpn_1x_coco.py",
    "mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py",
    "mmdet::point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
    "mmdet::ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco.py",
    "mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py",
    "mmseg::point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py",
)


def _check(config: Any, where: str) -> None:
    from zoo.engine.records.forms import check_forms
    from zoo.engine.records.record import record_parts

    scope, model, pipeline = record_parts(config)
    check_forms(model, "model", "model", scope, where)
    for number, step in enumerate(pipeline):
        check_forms(step, "pipeline", f"pipeline.{number}", scope, where)


def test_every_published_file_that_ships_is_read() -> None:
    from zoo.engine.checkpoints.published import read_published

    files = [
        found.record.file(url.removeprefix("package:"))
        for found in read_catalog().rows("weights")
        if isinstance(found.row, WeightsRow)
        for url in found.row.urls
        if url.startswith("package:")
    ]

    assert len(files) >= 2
    for file in files:
        record, tensors = read_published(file)
        assert record.classes
        assert tensors


@pytest.mark.slow
def test_record_of_every_shipped_config_passes(tmp_path: Path) -> None:
    """That of bands once they are known: its statistics are the data's."""
    from zoo.engine.config.reading import read_config

    pytest.importorskip("rasterio")
    zoo.sample("BandFolderDataset", tmp_path / "raw", count=8, size_px=32)
    bands = tmp_path / "bands"
    zoo.prepare("BandFolderDataset", tmp_path / "raw", bands, exact_shares=True)
    data = {"unet_small_bands-512": bands}

    names = [found.row.name for found in read_catalog().rows("config")]

    assert len(names) > 20
    for name in names:
        _check(read_config(name, pretrained="none", data=data.get(name)), name)


@pytest.mark.parametrize(
    ("listed", "is_kept"),
    [
        ("zoo.torchvision_weights.CategoryIdLoss", True),
        ("zoo.dice_loss.DiceLoss", False),
        ("zoo.DiceLoss", False),
        ("zoo.a_plugin_that_is_gone.Loss", False),
        ("CrossEntropyLoss", True),
    ],
)
def test_record_keeps_a_loss_only_where_it_shapes_its_head(listed: str, is_kept: bool) -> None:
    """One that a plugin lists as a model decides on channels; its other losses only train."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.records.record import record_parts

    config = read_config("tv_mask_rcnn_r50_fpn_coco", pretrained="none")
    config.model.roi_head.bbox_head.loss_cls.type = listed

    head = record_parts(config)[1]["roi_head"]["bbox_head"]

    assert is_kept is ("loss_cls" in head)


@pytest.mark.slow
@pytest.mark.parametrize("name", UPSTREAM)
def test_record_of_a_config_that_was_built_from_passes(name: str) -> None:
    """A detector writes its parts' settings into the config that it is built from."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.config.reading import read_config

    config = read_config(name, pretrained="none")
    init_default_scope(config.default_scope)
    with torch.device("meta"):
        MODELS.build(config.model)

    _check(config, name)
