# SPDX-License-Identifier: Apache-2.0
"""Converted models predict what detectron2's predict, and tensors of other models are refused."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo_detectron2_weights
from torch import Tensor
from zoo_detectron2_weights import mask_rcnn as converters

from zoo.errors import ConversionError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from detectron2_twin import STD, Tensors, Twin  # noqa: E402

pytestmark = pytest.mark.mm
PACKAGE = Path(zoo_detectron2_weights.__file__).parent
SHELF = json.loads((PACKAGE / "shelf.json").read_text())
ROWS = [row for row in SHELF["weights"] if row["converter"].startswith("mask_rcnn")]
X101 = {"depth": 101, "groups": 32, "width": 8, "stride_in_1x1": False, "std": STD}
GN = {"norm": "gn", "head_norm": "gn", "stride_in_1x1": False}
LVIS = {"classes": 1230, "score": 1e-4}
# Config -> what detectron2's own config says.
MODELS: dict[str, dict[str, Any]] = {
    "mask_rcnn_r50_fpn": {},
    "mask_rcnn_r101_fpn": {"depth": 101},
    "mask_rcnn_x101_fpn": X101,
    "mask_rcnn_r50_c4": {"form": "c4"},
    "mask_rcnn_r101_c4": {"form": "c4", "depth": 101},
    "mask_rcnn_r50_dc5": {"form": "dc5"},
    "mask_rcnn_r101_dc5": {"form": "dc5", "depth": 101},
    "mask_rcnn_r50_fpn_gn": GN,
    "mask_rcnn_r50_fpn_gn_std": {**GN, "std": STD},
    "mask_rcnn_r50_fpn_syncbn": {"head_norm": "bn"},
    "mask_rcnn_r50_fpn_syncbn_std": {"head_norm": "bn", "stride_in_1x1": False, "std": STD},
    "mask_rcnn_r50_fpn_cityscapes": {"classes": 8},
    "mask_rcnn_r50_fpn_lvis": LVIS,
    "mask_rcnn_r101_fpn_lvis": {**LVIS, "depth": 101},
    "mask_rcnn_x101_fpn_lvis": {**LVIS, **X101},
}
# One of each form: the others differ in sizes alone, which the tables of tensors compare.
COMPARED = [
    *("mask_rcnn_r50_fpn", "mask_rcnn_r50_c4", "mask_rcnn_r50_dc5"),
    *("mask_rcnn_r50_fpn_gn", "mask_rcnn_r50_fpn_syncbn_std"),
]
Build = Callable[..., Any]


def converter_of(config: str) -> Any:
    return getattr(converters, config.removesuffix("_std"))


def image(height: int, width: int) -> Tensor:
    """Return a ``(3, H, W)`` uint8 image in blue, green, red."""
    pixels = np.random.default_rng(5).integers(0, 256, (3, height, width), np.uint8)
    return torch.from_numpy(pixels)


@pytest.fixture(scope="module")
def build() -> Build:
    """Return a function that builds the model of a config, whose tensors have no numbers yet."""
    import mmdet.models  # noqa: F401
    from mmdet.registry import MODELS as REGISTRY
    from mmdet.registry import TASK_UTILS
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    def build(config: str) -> Any:
        model = Config.fromfile(PACKAGE / "configs" / f"{config}.py").model
        forget_weights(model)
        init_default_scope("mmdet")
        with torch.device("meta"):
            built = REGISTRY.build(model).eval()
        # What the config states in numbers.
        built.data_preprocessor = REGISTRY.build(model.data_preprocessor)
        built.rpn_head.prior_generator = TASK_UTILS.build(model.rpn_head.anchor_generator)
        return built

    return build


@pytest.fixture(scope="module")
def kept(build: Build) -> Build:
    """Return the same function, which builds each model once: to look at, not to change."""
    return functools.cache(build)


def forget_weights(config: Any) -> None:
    if isinstance(config, dict):
        config.pop("init_cfg", None)
        for value in config.values():
            forget_weights(value)


def on_meta(config: str) -> dict[str, Tensor]:
    """Return detectron2's tensors of a model, as the table of the converter lists them."""
    entries = converter_of(config).entries()
    return {entry.source: torch.empty(entry.shape, device="meta") for entry in entries}


@pytest.mark.parametrize("config", MODELS)
def test_converted_tensors_are_all_of_the_model_and_no_others(config: str, kept: Build) -> None:
    """Names and shapes; the counters of batch norms too."""
    expected = {key: tuple(value.shape) for key, value in kept(config).state_dict().items()}

    converted = converter_of(config)(on_meta(config))

    assert {key: tuple(value.shape) for key, value in converted.items()} == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_rows_state_parameters_and_classes_of_their_model(row: Any, kept: Build) -> None:
    """Counted again; as many classes as the heads have."""
    config = row["config"].removeprefix("d2_")
    model = kept(config)

    assert sum(each.numel() for each in model.parameters()) == row["parameters"]
    classes = SHELF["class_lists"][row["classes"]]
    assert len(classes) == MODELS[config].get("classes", 80) == model.roi_head.mask_head.num_classes
    assert config.removesuffix("_std") == row["converter"]


def test_lists_of_classes_are_those_of_upstream_data_sets() -> None:
    """Whose ids are the models' labels."""
    from mmdet.datasets import CityscapesDataset, CocoDataset, LVISV05Dataset

    sources = {"coco": CocoDataset, "cityscapes": CityscapesDataset, "lvis": LVISV05Dataset}
    for name, source in sources.items():
        assert SHELF["class_lists"][name] == list(source.METAINFO["classes"])


@pytest.mark.slow
@pytest.mark.parametrize("config", COMPARED)
def test_converted_model_predicts_what_detectron2_predicts(config: str, build: Build) -> None:
    """From raw pixels to masks: proposals and boxes within 1e-3 px, labels equal, masks 1e-5."""
    # Half the memory for the largest, whose thresholds do not flip on this image.
    dtype = torch.float32 if "dc5" in config else torch.float64
    few = {"post_nms": 6, "most": 5}
    twin = Twin(**MODELS[config], **few, tensors=Tensors(dtype))
    picture = image(64, 64) if twin.form != "fpn" else image(45, 61)
    with torch.no_grad():
        expected = twin.predict(picture)

        found = predict(loaded(build(config), config, twin), picture, twin)

    assert len(expected["boxes"]) > 3
    assert expected["masks"].std() > 0.03
    assert torch.equal(found["labels"], expected["labels"])
    for name, tolerance in {
        "proposals": 1e-3,
        "boxes": 1e-3,
        "scores": 1e-5,
        "masks": 1e-5,
    }.items():
        assert (found[name] - expected[name]).abs().max() < tolerance, name


@pytest.mark.slow
@pytest.mark.parametrize("config", ["mask_rcnn_x101_fpn"])
def test_converted_backbone_and_neck_give_the_maps_of_detectron2(config: str, build: Build) -> None:
    """Of the deep ones, whose heads are those of R50."""
    twin = Twin(**MODELS[config], tensors=Tensors(torch.float32))
    picture = torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(1)) * 60
    with torch.no_grad():
        expected = twin.features(picture)
        model = build(config)
        converted = converter_of(config)({**on_meta(config), **twin.tensors.values})
        model.load_state_dict(converted, strict=True, assign=True)

        found = model.extract_feat(picture)

    for level, (wanted, got) in enumerate(zip(expected.values(), found, strict=True)):
        assert (got - wanted).abs().max() <= 1e-5 * wanted.abs().max(), level


def loaded(model: Any, config: str, twin: Twin) -> Any:
    """Return the model with the twin's tensors, which it shares."""
    dtype = twin.tensors.dtype
    model.load_state_dict(converter_of(config)(twin.tensors.values), strict=True, assign=True)
    model.to(dtype)
    anchors = model.rpn_head.prior_generator
    anchors.base_anchors = [each.to(dtype) for each in anchors.base_anchors]
    model.test_cfg.rpn.update(nms_pre=twin.pre_nms, max_per_img=twin.post_nms)
    model.test_cfg.rcnn.update(max_per_img=twin.most)
    model.rpn_head.test_cfg, model.roi_head.test_cfg = model.test_cfg.rpn, model.test_cfg.rcnn
    return model


def predict(model: Any, picture: Tensor, twin: Twin) -> dict[str, Tensor]:
    """Return what the stages of mmdet's model find, masks before they are pasted."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import bbox2roi

    size = tuple(picture.shape[1:])
    meta = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)}
    batch = {"inputs": [picture], "data_samples": [DetDataSample(metainfo=meta)]}
    batch = model.data_preprocessor(batch, False)
    samples = batch["data_samples"]
    maps = model.extract_feat(batch["inputs"].to(twin.tensors.dtype))
    proposals = model.rpn_head.predict(maps, samples, rescale=False)
    head, metas = model.roi_head, [samples[0].metainfo]
    found = head.predict_bbox(maps, metas, proposals, head.test_cfg, rescale=False)[0]
    masks = head._mask_forward(maps, bbox2roi([found.bboxes]))["mask_preds"].sigmoid()
    return {
        "proposals": proposals[0].bboxes,
        "boxes": found.bboxes,
        "scores": found.scores,
        "labels": found.labels,
        "masks": masks[torch.arange(len(masks)), found.labels],
    }


@pytest.mark.parametrize("row", sorted({row["converter"] for row in ROWS}))
def test_tensors_of_every_other_model_are_refused(row: str) -> None:
    """R101 for R50, 8 classes for 80, group norm for none: what differs is named."""
    wanted = getattr(converters, row)
    for other in {converter_of(config).what: config for config in MODELS}.values():
        if converter_of(other) is wanted:
            continue
        with pytest.raises(ConversionError) as caught:
            wanted(on_meta(other))
        error = caught.value
        assert error.missing or error.unexpected or error.misshaped
        assert wanted.what in error.message


def test_damaged_state_dicts_are_refused_by_name() -> None:
    """One tensor missing, one too many, one of another shape; each alone."""
    good = on_meta("mask_rcnn_r50_fpn")
    key = "roi_heads.box_predictor.cls_score.weight"
    missing = {name: value for name, value in good.items() if name != key}
    cases = {
        "missing": missing,
        "unexpected": {**good, "roi_heads.keypoint_head.weight": torch.empty(1, device="meta")},
        "misshaped": {**good, key: torch.empty(81, 512, device="meta")},
    }
    named = {"missing": key, "unexpected": "roi_heads.keypoint_head.weight", "misshaped": key}

    for kind, state_dict in cases.items():
        with pytest.raises(ConversionError) as caught:
            converters.mask_rcnn_r50_fpn(state_dict)
        assert getattr(caught.value, kind) == (named[kind],)
        assert named[kind] in caught.value.message


def test_what_old_files_hold_besides_is_dropped() -> None:
    """Pixel mean and deviation, anchors and counters of batches are the model's own."""
    good = on_meta("mask_rcnn_r50_fpn_syncbn")
    old = {
        "pixel_mean": torch.zeros(3, 1, 1),
        "pixel_std": torch.ones(3, 1, 1),
        "proposal_generator.anchor_generator.cell_anchors.0": torch.zeros(3, 4),
        "backbone.bottom_up.stem.conv1.norm.num_batches_tracked": torch.tensor(7),
    }

    with_old = converters.mask_rcnn_r50_fpn_syncbn({**good, **old})

    assert set(with_old) == set(converters.mask_rcnn_r50_fpn_syncbn(good))
