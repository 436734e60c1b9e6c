# SPDX-License-Identifier: Apache-2.0
"""Measure how the unnormalised maps of EfficientNet-Lite0 affect the first steps of Mask R-CNN.

Prints the standard deviation of each map on a drawn image and, with ``out_norm`` off and on, the
losses of mmdet's Mask R-CNN in the first step and averaged over the last ten.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

import zoo  # noqa: F401 - provides mmcv._ext before mmengine looks for it

SIDE_PX = 192
DISCS = 8
SHOWN = ("loss_rpn_cls", "loss_cls", "loss_bbox", "loss_mask")


def draw_scene(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return an image ``(H, W, 3)`` uint8 of smooth ground and discs, and masks ``(K, H, W)``.

    Args:
        generator: Random generator.
    """
    image = np.full((SIDE_PX, SIDE_PX, 3), 60.0, np.float32)
    for cell_px in (8, 16, 32, 64):
        side = SIDE_PX // cell_px + 1
        noise = generator.normal(0, 25 * cell_px / 64, (side, side, 3)).astype(np.float32)
        image += cv2.resize(noise, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    masks = np.zeros((DISCS, SIDE_PX, SIDE_PX), np.uint8)
    for mask in masks:
        radius_px = int(generator.integers(6, 20))
        x, y = map(int, generator.integers(radius_px + 1, SIDE_PX - radius_px - 1, 2))
        cv2.circle(mask, (x, y), radius_px, 1, -1)
        image[mask > 0] = generator.integers(150, 240) + generator.normal(0, 8, 3)
    return image.clip(0, 255).astype(np.uint8), masks


def make_batch(seed: int) -> dict[str, Any]:
    """Return two scenes as mmdet packs them.

    Args:
        seed: Seed of the images.
    """
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    generator = np.random.default_rng(seed)
    batch: dict[str, Any] = {"inputs": [], "data_samples": []}
    for _ in range(2):
        image, masks = draw_scene(generator)
        bitmaps = BitmapMasks(masks, SIDE_PX, SIDE_PX)
        boxes = bitmaps.get_bboxes("hbox").tensor
        labels = torch.zeros(DISCS, dtype=torch.long)
        shape = {"img_shape": (SIDE_PX, SIDE_PX), "ori_shape": (SIDE_PX, SIDE_PX)}
        sample = DetDataSample(metainfo=shape)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, masks=bitmaps)
        batch["inputs"].append(torch.from_numpy(image.transpose(2, 0, 1).copy()))
        batch["data_samples"].append(sample)
    return batch


def build(*, out_norm: bool) -> nn.Module:
    """Return mmdet's Mask R-CNN with this backbone and 64 channels, started from ImageNet.

    Args:
        out_norm: Whether the maps are normalised.
    """
    import mmdet
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    torch.manual_seed(0)
    init_default_scope("mmdet")
    base = Path(mmdet.__file__).parent / ".mim/configs/_base_/models/mask-rcnn_r50_fpn.py"
    config = Config({"model": Config.fromfile(base).model})
    backbone = {
        "_delete_": True,
        "type": "zoo.efficientnet_lite.EfficientNetLite0",
        "out_indices": (1, 2, 3, 4),
        "out_norm": out_norm,
        "init_cfg": {"type": "zoo.efficientnet_lite.ImageNetWeights"},
    }
    mask_head = {"in_channels": 64, "conv_out_channels": 64, "num_classes": 1, "num_convs": 2}
    anchors = {"scales": [2, 4]}
    change = {
        "data_preprocessor": {"mean": [127.0] * 3, "std": [128.0] * 3},
        "backbone": backbone,
        "neck": {"in_channels": [24, 40, 112, 320], "out_channels": 64},
        "rpn_head": {"in_channels": 64, "feat_channels": 64, "anchor_generator": anchors},
        "roi_head": {
            "bbox_roi_extractor": {"out_channels": 64},
            "mask_roi_extractor": {"out_channels": 64},
            "bbox_head": {"in_channels": 64, "fc_out_channels": 256, "num_classes": 1},
            "mask_head": mask_head,
        },
    }
    config.merge_from_dict({"model": change})
    model: nn.Module = MODELS.build(config.model)
    model.init_weights()
    return model


def train(model: nn.Module, steps: int) -> list[dict[str, float]]:
    """Return the losses of each step: AdamW 3e-4, clipping at 10.

    Args:
        model: The model.
        steps: Number of steps.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    model.train()
    torch.manual_seed(0)
    rows = []
    for step in range(steps):
        batch = model.data_preprocessor(make_batch(step), True)
        total, losses = model.parse_losses(model(**batch, mode="loss"))
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        rows.append({name: losses[name].item() for name in SHOWN})
    return rows


def main() -> None:
    """Print the scales and the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for out_norm in (False, True):
        model = build(out_norm=out_norm)
        batch = model.data_preprocessor(make_batch(0), False)
        with torch.no_grad():
            scales = [float(found.std()) for found in model.eval().backbone(batch["inputs"])]
        print(f"out_norm={out_norm}: maps {' '.join(f'{scale:.2f}' for scale in scales)}")
        rows = train(model, steps)
        for name in SHOWN:
            last = np.mean([row[name] for row in rows[-10:]])
            print(f"  {name:14} step 1: {rows[0][name]:6.2f}   last 10: {last:6.2f}")


if __name__ == "__main__":
    main()
