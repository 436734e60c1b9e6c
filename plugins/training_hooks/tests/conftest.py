# SPDX-License-Identifier: Apache-2.0
"""A small Mask R-CNN of mmdet and a small U-Net of mmseg, with twelve pictures to train on."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SIZE_PX = 64
SPLITS = {"train": 6, "val": 3}
_RUNS = itertools.count()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures with a bright square each, as masks and as COCO JSON; gives the folder."""
    root = tmp_path_factory.mktemp("pictures")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    rng = np.random.default_rng(0)
    for split, count in SPLITS.items():
        images, annotations = [], []
        for number in range(count):
            name = f"{split}{number}"
            x, y, side = (int(v) for v in rng.integers((4, 4, 16), (24, 24, 36)))
            mask = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
            mask[y : y + side, x : x + side] = 1
            image = rng.integers(0, 80, (SIZE_PX, SIZE_PX, 3), np.uint8) + 150 * mask[..., None]
            cv2.imwrite(str(root / "images" / f"{name}.png"), image.astype(np.uint8))
            cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
            size = {"width": SIZE_PX, "height": SIZE_PX}
            images.append({"id": number, "file_name": f"{name}.png", **size})
            outline = [x, y, x + side, y, x + side, y + side, x, y + side]
            one = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0}
            box = {"bbox": [x, y, side, side], "area": side**2, "segmentation": [outline]}
            annotations.append(one | box)
        names = "\n".join(f"{split}{number}" for number in range(count))
        (root / f"{split}.txt").write_text(names)
        categories = [{"id": 1, "name": "square"}]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(document))
    return root


def _loader(dataset: dict[str, Any], pipeline: list[dict[str, Any]], **over: Any) -> dict[str, Any]:
    is_train = over.pop("shuffle", False)
    return {
        "batch_size": 2,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": is_train},
        "dataset": {**dataset, "pipeline": pipeline, **over},
    }


@pytest.fixture
def instance_config(pictures: Path) -> dict[str, Any]:
    """Return the config of the Mask R-CNN; its ResNet freezes its first stage and its norms."""
    dataset = {
        "type": "CocoDataset",
        "data_root": str(pictures),
        "data_prefix": {"img": "images"},
        "metainfo": {"classes": ("square",), "palette": [(255, 196, 0)]},
    }
    image = {"type": "LoadImageFromFile"}
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    resize = {"type": "Resize", "scale": (96, 96), "keep_ratio": True}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip")
    pack = {"type": "PackDetInputs", "meta_keys": keys}
    val = {"ann_file": "val.json", "test_mode": True}
    return {
        "default_scope": "mmdet",
        "model": _mask_rcnn(),
        "train_dataloader": _loader(
            dataset,
            [image, labels, {"type": "RandomFlip", "prob": 0.5}, pack],
            ann_file="train.json",
            shuffle=True,
        ),
        "val_dataloader": _loader(dataset, [image, resize, labels, pack], **val),
        "val_evaluator": {"type": "CocoMetric", "ann_file": str(pictures / "val.json")},
        "val_loss_dataloader": _loader(dataset, [image, labels, resize, pack], **val),
        **_schedule(),
    }


def _mask_rcnn() -> dict[str, Any]:
    anchors = {"type": "AnchorGenerator", "scales": [4], "ratios": [1.0], "strides": [4, 8]}
    region = {"featmap_strides": [4, 8], "out_channels": 8, "type": "SingleRoIExtractor"}
    coder = {"type": "DeltaXYWHBBoxCoder"}
    assigner = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.3}
    assigner |= {"min_pos_iou": 0.3, "match_low_quality": True}
    sampler = {"type": "RandomSampler", "num": 16, "pos_fraction": 0.5}
    proposals = {"nms_pre": 60, "max_per_img": 30, "nms": {"type": "nms", "iou_threshold": 0.7}}
    cross_entropy = {"type": "CrossEntropyLoss"}
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
            "norm_eval": True,
        },
        "neck": {"type": "FPN", "in_channels": [8, 16], "out_channels": 8, "num_outs": 2},
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 8,
            "anchor_generator": anchors,
            "bbox_coder": coder,
            "loss_cls": {**cross_entropy, "use_sigmoid": True},
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": {**region, "roi_layer": {"type": "RoIAlign", "output_size": 7}},
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": 8,
                "fc_out_channels": 16,
                "num_classes": 1,
                "bbox_coder": coder,
            },
            "mask_roi_extractor": {**region, "roi_layer": {"type": "RoIAlign", "output_size": 7}},
            "mask_head": {
                "type": "FCNMaskHead",
                "num_convs": 1,
                "in_channels": 8,
                "conv_out_channels": 8,
                "num_classes": 1,
                "loss_mask": {**cross_entropy, "use_mask": True},
            },
        },
        "train_cfg": {
            "rpn": {
                "assigner": assigner,
                "sampler": {**sampler, "add_gt_as_proposals": False},
                "allowed_border": -1,
                "pos_weight": -1,
                "debug": False,
            },
            "rpn_proposal": {**proposals, "min_bbox_size": 0},
            "rcnn": {
                "assigner": assigner,
                "sampler": {**sampler, "add_gt_as_proposals": True},
                "mask_size": 14,
                "pos_weight": -1,
                "debug": False,
            },
        },
        "test_cfg": {
            "rpn": {**proposals, "min_bbox_size": 0},
            "rcnn": {
                "score_thr": 0.05,
                "nms": proposals["nms"],
                "max_per_img": 10,
                "mask_thr_binary": 0.5,
            },
        },
    }


@pytest.fixture
def semantic_config(pictures: Path) -> dict[str, Any]:
    """Return the config of the U-Net, with dropout and with batch norm that trains."""
    dataset = {
        "type": "BaseSegDataset",
        "data_root": str(pictures),
        "img_suffix": ".png",
        "seg_map_suffix": ".png",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": ["ground", "square"], "palette": [[0, 0, 0], [255, 196, 0]]},
    }
    image, labels = {"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}
    resize = {"type": "Resize", "scale": (96, 96)}
    pack = {"type": "PackSegInputs"}
    return {
        "default_scope": "mmseg",
        "model": {
            "type": "EncoderDecoder",
            "data_preprocessor": {
                "type": "SegDataPreProcessor",
                "mean": [127.0] * 3,
                "std": [64.0] * 3,
                "size": (SIZE_PX, SIZE_PX),
                "seg_pad_val": 255,
            },
            "backbone": {
                "type": "UNet",
                "base_channels": 4,
                "num_stages": 2,
                "strides": (1, 1),
                "enc_num_convs": (1, 1),
                "dec_num_convs": (1,),
                "downsamples": (True,),
                "enc_dilations": (1, 1),
                "dec_dilations": (1,),
                "norm_cfg": {"type": "BN"},
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
                "norm_cfg": {"type": "BN"},
                "loss_decode": [
                    {"type": "CrossEntropyLoss", "loss_name": "loss_ce"},
                    {"type": "DiceLoss", "loss_name": "loss_dice", "loss_weight": 0.5},
                ],
            },
            "test_cfg": {"mode": "whole"},
        },
        "train_dataloader": _loader(
            dataset,
            [image, labels, {"type": "RandomFlip", "prob": 0.5}, pack],
            ann_file="train.txt",
            shuffle=True,
        ),
        "val_dataloader": _loader(dataset, [image, resize, labels, pack], ann_file="val.txt"),
        "val_evaluator": {"type": "IoUMetric"},
        "val_loss_dataloader": _loader(dataset, [image, labels, resize, pack], ann_file="val.txt"),
        **_schedule(),
    }


def _schedule() -> dict[str, Any]:
    return {
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.1},
            "clip_grad": {"max_norm": 1.0},
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 3, "val_interval": 1},
        "val_cfg": {},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        "randomness": {"seed": 1},
        "log_level": "ERROR",
    }


@pytest.fixture(params=["instance", "semantic"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the config of each task in turn."""
    return request.getfixturevalue(f"{request.param}_config")


@pytest.fixture
def make_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that builds a Runner of a config, with hooks and other changes."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    # A run writes its config down three times, and yapf takes longer over it than the run.
    monkeypatch.setattr(Config, "pretty_text", property(lambda self: "# not formatted\n"))

    def make(config: dict[str, Any], *hooks: Any, folder: str = "run", **changes: Any) -> Any:
        named = [hook for hook in hooks if isinstance(hook, dict)]
        whole = Config({**config, "custom_hooks": named, "work_dir": str(tmp_path / folder)})
        whole.merge_from_dict(changes)
        whole.experiment_name = f"{tmp_path.name}-{folder}-{next(_RUNS)}"
        runner = Runner.from_cfg(whole)
        for hook in hooks:
            if hook not in named:
                runner.register_hook(hook)
        return runner

    return make
