# SPDX-License-Identifier: Apache-2.0
"""A Mask R-CNN of two levels with random weights, for exports that take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from torch import Tensor, nn

import zoo

LOAD, PACK = {"type": "LoadImageFromFile"}, {"type": "PackDetInputs"}
RESIZE = {"type": "Resize", "scale_factor": 1.5, "keep_ratio": True}
SIZES = [(31, 47), (64, 64), (96, 72), (129, 150)]


@MODELS.register_module(force=True)
class ToyLevels(BaseModule):
    """Maps at a fourth and an eighth of the size."""

    def __init__(self, departs: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 4, stride=4)
        self.scale = ToyFactor(departs)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.scale(self.first(x)).relu()
        return fine, self.second(fine).relu()


class ToyFactor(nn.Module):
    """A layer that does something else while it is exported, as traced constants do."""

    def __init__(self, departs: bool) -> None:
        super().__init__()
        self.departs = departs

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.25 if self.departs and torch.compiler.is_exporting() else x * 1.5


def detector(**changes: Any) -> dict[str, Any]:
    """Return the config of the model, with other values by dotted keys, ``__`` for the dot."""
    coder = {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]}
    extractor = {
        "type": "SingleRoIExtractor",
        "roi_layer": {"type": "RoIAlign", "output_size": 4, "sampling_ratio": 0},
        "out_channels": 8,
        "featmap_strides": [4, 8],
        "finest_scale": 16,
    }
    layer = dict(extractor["roi_layer"], output_size=6, sampling_ratio=2)  # type: ignore[call-overload]
    model: dict[str, Any] = {
        "type": "MaskRCNN",
        "train_cfg": None,
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
            "bgr_to_rgb": True,
            "pad_size_divisor": 16,
        },
        "backbone": {"type": "ToyLevels"},
        "neck": {"type": "FPN", "in_channels": [8, 8], "out_channels": 8, "num_outs": 3},
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 8,
            "anchor_generator": {
                "type": "AnchorGenerator",
                "scales": [4],
                "ratios": [0.5, 1.0, 2.0],
                "strides": [4, 8, 16],
            },
            "bbox_coder": dict(coder, target_stds=[1.0] * 4),
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": extractor,
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": 8,
                "fc_out_channels": 16,
                "roi_feat_size": 4,
                "num_classes": 2,
                "bbox_coder": coder,
            },
            "mask_roi_extractor": dict(extractor, roi_layer=layer),
            "mask_head": {
                "type": "FCNMaskHead",
                "num_convs": 1,
                "in_channels": 8,
                "conv_out_channels": 8,
                "num_classes": 2,
            },
        },
        "test_cfg": {
            "rpn": {
                "nms_pre": 60,
                "max_per_img": 20,
                "nms": {"type": "nms", "iou_threshold": 0.7},
                "min_bbox_size": 0,
            },
            "rcnn": {
                "score_thr": 0.05,
                "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 10,
                "mask_thr_binary": 0.5,
            },
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = model
        for parent in parents:
            place = place[parent]
        place[last] = value
    return model


def cascade(*, stages: int = 3, is_agnostic: bool = True, **changes: Any) -> dict[str, Any]:
    """Return the changes that make it a Cascade Mask R-CNN, and others."""
    stated = detector()["roi_head"]["bbox_head"]
    heads = []
    for index in range(stages):
        stds = [one / (index + 1) for one in (0.1, 0.1, 0.2, 0.2)]
        coder = dict(stated["bbox_coder"], target_stds=stds)
        heads.append(dict(stated, reg_class_agnostic=is_agnostic, bbox_coder=coder))
    return {
        "type": "CascadeRCNN",
        "roi_head__type": "CascadeRoIHead",
        "roi_head__num_stages": stages,
        "roi_head__stage_loss_weights": [1.0, 0.5, 0.25][:stages],
        "roi_head__bbox_head": heads,
        **changes,
    }


def write_detector(
    folder: Path,
    *steps: dict[str, Any],
    tiling: dict[str, int] | None = None,
    **changes: Any,
) -> zoo.Predictor[zoo.InstanceResult]:
    """Return the predictor of a model that was just written."""
    model = detector(**changes)
    dataset = {
        "type": "CocoDataset",
        "metainfo": {"classes": ["tank", "shed"], "palette": [[200, 30, 30], [30, 90, 200]]},
        "pipeline": [LOAD, *steps, PACK],
    }
    config = folder / "toy.py"
    config.write_text(
        f"default_scope = 'mmdet'\nmodel = {model!r}\ntiling = {tiling!r}\n"
        f"test_dataloader = dict(dataset={dataset!r})\n",
        encoding="utf-8",
    )
    init_default_scope("mmdet")
    torch.manual_seed(3)
    module = MODELS.build(ConfigDict(model))
    for name, value in module.named_parameters():
        if value.ndim > 1 or "bias" in name:
            nn.init.normal_(value, std=0.25)  # scores that differ, so that no rounding decides
    torch.save({"state_dict": module.state_dict(), "meta": {}}, folder / "toy.pth")
    return zoo.load(f"{config},{folder / 'toy.pth'}", task="instance", device="cpu", score_thr=0.0)
