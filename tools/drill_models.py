# SPDX-License-Identifier: Apache-2.0
"""The two small models that `tools/drill_runs.py` trains, and tests of hooks."""

from __future__ import annotations

from typing import Any

__all__ = ["mask_rcnn", "unet"]


def unet(*, size_px: int = 32, losses: Any = None) -> dict[str, Any]:
    """Return a U-Net with dropout and batch norms that train.

    Args:
        size_px: Side length that images are padded to in training.
        losses: Of its head; None for cross-entropy.
    """
    norm = {"type": "BN"}
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": [127.0] * 3,
            "std": [64.0] * 3,
            "size": (size_px, size_px),
            "seg_pad_val": 255,
            "test_cfg": {"size_divisor": 16},
        },
        "backbone": {
            "type": "UNet",
            "base_channels": 4,
            "num_stages": 2,
            "strides": (1, 1),
            "dec_num_convs": (1,),
            "enc_num_convs": (1, 1),
            "downsamples": (True,),
            "enc_dilations": (1, 1),
            "dec_dilations": (1,),
            "norm_cfg": norm,
            "upsample_cfg": {"type": "InterpConv"},
        },
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 4,
            "in_index": 1,
            "channels": 4,
            "num_convs": 1,
            "concat_input": False,
            "dropout_ratio": 0.5,
            "num_classes": 2,
            "norm_cfg": norm,
            "loss_decode": losses or {"type": "CrossEntropyLoss", "avg_non_ignore": True},
        },
        "test_cfg": {"mode": "whole"},
    }


def mask_rcnn(
    *, classes: int = 2, score_thr: float = 0.01, has_fixed_norms: bool = False
) -> dict[str, Any]:
    """Return a Mask R-CNN that samples regions at random; the first stage of its ResNet is frozen.

    Args:
        classes: Of its objects.
        score_thr: Least score of what it finds.
        has_fixed_norms: Whether the norms of its ResNet stay as they are in training.
    """
    anchors = {"type": "AnchorGenerator", "scales": [4], "ratios": [1.0], "strides": [4, 8]}
    region = {"type": "SingleRoIExtractor", "featmap_strides": [4, 8], "out_channels": 8}
    region["roi_layer"] = {"type": "RoIAlign", "output_size": 7}
    coder, entropy = {"type": "DeltaXYWHBBoxCoder"}, {"type": "CrossEntropyLoss"}
    assigner = {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": 0.5,
        "neg_iou_thr": 0.3,
        "min_pos_iou": 0.3,
    }
    sampler = {"type": "RandomSampler", "num": 16, "pos_fraction": 0.5}
    nms = {"type": "nms", "iou_threshold": 0.7}
    proposals = {"nms_pre": 60, "max_per_img": 30, "nms": nms, "min_bbox_size": 0}
    common = {"assigner": assigner, "pos_weight": -1, "debug": False}
    return {
        "type": "MaskRCNN",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [127.0] * 3,
            "std": [64.0] * 3,
            "pad_mask": True,
            "pad_size_divisor": 32,
        },
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "base_channels": 8,
            "stem_channels": 8,
            "num_stages": 2,
            "strides": (1, 2),
            "dilations": (1, 1),
            "out_indices": (0, 1),
            "frozen_stages": 1,
            "norm_eval": has_fixed_norms,
        },
        "neck": {"type": "FPN", "in_channels": [8, 16], "out_channels": 8, "num_outs": 2},
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 8,
            "bbox_coder": coder,
            "anchor_generator": anchors,
            "loss_cls": {**entropy, "use_sigmoid": True},
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": region,
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": 8,
                "fc_out_channels": 16,
                "num_classes": classes,
                "bbox_coder": coder,
            },
            "mask_roi_extractor": region,
            "mask_head": {
                "type": "FCNMaskHead",
                "num_convs": 1,
                "in_channels": 8,
                "num_classes": classes,
                "conv_out_channels": 8,
                "loss_mask": {**entropy, "use_mask": True},
            },
        },
        "train_cfg": {
            "rpn": {
                **common,
                "sampler": {**sampler, "add_gt_as_proposals": False},
                "allowed_border": -1,
            },
            "rpn_proposal": proposals,
            "rcnn": {
                **common,
                "sampler": {**sampler, "add_gt_as_proposals": True},
                "mask_size": 14,
            },
        },
        "test_cfg": {
            "rpn": proposals,
            "rcnn": {"score_thr": score_thr, "nms": nms, "max_per_img": 10, "mask_thr_binary": 0.5},
        },
    }
