# SPDX-License-Identifier: Apache-2.0
"""Run every transform that mmcv, mmdet and mmsegmentation register, and report failures.

    python benchmarks/run_transforms.py

Each gets a small image with boxes, masks (as bitmaps, then as polygons) and a label map, and runs
with several seeds, and with a probability of one if it has one. Failures are printed with their
errors; differences between two environments come from their versions of numpy or OpenCV.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import platform
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zoo  # noqa: F401  mmcv's ops

Results = dict[str, Any]
HEIGHT_PX, WIDTH_PX = 96, 128
FLIP = {"type": "RandomFlip", "prob": 1.0}

# What a transform needs beyond its defaults and a probability of one.
OPTIONS: dict[str, dict[str, Any]] = {
    "mmcv.Compose": {"transforms": [FLIP]},
    "mmcv.KeyMapper": {"transforms": [FLIP], "mapping": {"img": "img"}, "auto_remap": True},
    "mmcv.TransformBroadcaster": {
        "transforms": [FLIP],
        "mapping": {"img": ["img", "img2"]},
        "auto_remap": True,
        "share_random_params": True,
    },
    "mmcv.RandomChoice": {"transforms": [[FLIP], [FLIP]], "prob": [0.5, 0.5]},
    "mmcv.RandomApply": {"transforms": [FLIP]},
    "mmcv.Normalize": {"mean": [120.0, 115.0, 100.0], "std": [58.0, 57.0, 57.5]},
    "mmcv.Resize": {"scale": (60, 50)},
    "mmcv.Pad": {"size": (150, 140)},
    "mmcv.CenterCrop": {"crop_size": (40, 50)},
    "mmcv.MultiScaleFlipAug": {
        "transforms": [{"type": "mmseg.PackSegInputs", "meta_keys": ("flip",)}],
        "scales": [(60, 50), (90, 80)],
        "allow_flip": True,
    },
    "mmcv.TestTimeAug": {"transforms": [[FLIP]]},
    "mmcv.RandomChoiceResize": {"scales": [(60, 50), (70, 60)]},
    "mmcv.RandomResize": {"scale": [(60, 50), (90, 80)]},
    "mmcv.ToTensor": {"keys": ["img"]},
    "mmcv.ImageToTensor": {"keys": ["img"]},
    # Here prob weighs the policies.
    "mmdet.AutoAugment": {"prob": None},
    "mmdet.RandAugment": {"prob": None},
    "mmdet.Expand": {"prob": 1.0, "seg_ignore_label": 255},
    "mmdet.ToTensor": {"keys": ["img"]},
    "mmdet.ImageToTensor": {"keys": ["img"]},
    "mmdet.Transpose": {"keys": ["img"], "order": (2, 0, 1)},
    "mmdet.LoadAnnotations": {"with_mask": True, "with_seg": True},
    "mmdet.LoadEmptyAnnotations": {"with_mask": True, "with_seg": True},
    "mmdet.LoadTrackAnnotations": {"with_mask": True},
    "mmdet.RandomSamplingNegPos": {"tokenizer_name": "bert-base-uncased"},
    "mmdet.Resize": {"scale": (60, 50)},
    "mmdet.FixScaleResize": {"scale": (60, 50)},
    "mmdet.ResizeShortestEdge": {"scale": 60, "max_size": 100},
    "mmdet.FixShapeResize": {"width": 60, "height": 50},
    "mmdet.Pad": {"size": (150, 140)},
    "mmdet.RandomCrop": {"crop_size": (60, 50)},
    "mmdet.SegRescale": {"scale_factor": 0.5},
    "mmdet.Corrupt": {"corruption": "gaussian_blur"},
    "mmdet.Albu": {"transforms": [{"type": "HorizontalFlip", "p": 1.0}]},
    "mmdet.RandomCenterCropPad": {
        "crop_size": (60, 50),
        "ratios": (0.9, 1.0),
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "to_rgb": True,
        "test_pad_mode": None,
    },
    "mmdet.CutOut": {"n_holes": 2, "cutout_shape": (8, 8)},
    "mmdet.Mosaic": {"img_scale": (64, 64)},
    "mmdet.CachedMosaic": {"img_scale": (64, 64)},
    "mmdet.MixUp": {"img_scale": (64, 64)},
    "mmdet.CachedMixUp": {"img_scale": (64, 64)},
    "mmdet.RandomErasing": {"n_patches": 2, "ratio": 0.2},
    "mmdet.MultiBranch": {"branch_field": ["a"], "a": [{"type": "mmdet.PackDetInputs"}]},
    "mmdet.RandomOrder": {"transforms": [FLIP]},
    "mmdet.ProposalBroadcaster": {"transforms": [FLIP]},
    "mmdet.FilterAnnotations": {"by_mask": True, "min_gt_bbox_wh": (2, 2)},
    "mmdet.UniformRefFrameSample": {"num_ref_imgs": 1, "frame_range": 1},
    "mmseg.LoadBiomedicalImageFromFile": {"decode_backend": "numpy"},
    "mmseg.LoadBiomedicalAnnotation": {"decode_backend": "numpy"},
    "mmseg.LoadBiomedicalData": {"with_seg": True},
    "mmseg.LoadDepthAnnotation": {"decode_backend": "cv2"},
    "mmseg.RandomCrop": {"crop_size": (40, 50), "cat_max_ratio": 0.75},
    "mmseg.RandomRotate": {"degree": 20},
    "mmseg.SegRescale": {"scale_factor": 0.5},
    "mmseg.RandomCutOut": {"n_holes": 2, "cutout_shape": (8, 8), "seg_fill_in": 255},
    "mmseg.RandomRotFlip": {"rotate_prob": 0.5, "flip_prob": 0.5},
    "mmseg.Resize": {"scale": (60, 50)},
    "mmseg.ResizeToMultiple": {"size_divisor": 32},
    "mmseg.RandomMosaic": {"img_scale": (64, 64)},
    "mmseg.ResizeShortestEdge": {"scale": 60, "max_size": 100},
    "mmseg.BioMedical3DRandomCrop": {"crop_shape": (4, 10, 12)},
    "mmseg.BioMedical3DPad": {"pad_shape": (12, 20, 24)},
    "mmseg.BioMedical3DRandomFlip": {"axes": (0, 1, 2)},
    "mmseg.Albu": {"transforms": [{"type": "HorizontalFlip", "p": 1.0}]},
}
# Upstream's own limits.
BITMAPS_ONLY = ("mmdet.RandomErasing", "mmdet.Expand", "mmdet.CopyPaste")
BOXES_ONLY = ("RandomAffine", "RandomCenterCropPad")
VOLUMES = ("BioMedical3DRandomCrop", "BioMedicalGaussianNoise", "BioMedicalGaussianBlur")
VOLUMES += ("BioMedicalRandomGamma", "BioMedical3DPad", "BioMedical3DRandomFlip")


def main() -> None:
    """Run all, print one line per failure, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    args = parser.parse_args()
    transforms = find_transforms()
    with tempfile.TemporaryDirectory() as folder:
        files = _write_files(Path(folder))
        found = {name: run(name, cls, files, args.seeds) for name, cls in transforms.items()}
    broken = {name: error for name, error in found.items() if error}
    if args.json:
        print(json.dumps({"versions": _versions(), "ran": len(found), "broken": broken}))
        return
    print(f"{len(found) - len(broken)} of {len(found)} run; {_versions()}")
    for name, error in broken.items():
        print(f"{name}: {error}")


def find_transforms() -> dict[str, type]:
    """Return every registered transform by ``<package>.<name>``."""
    import mmdet.registry
    import mmdet.utils
    import mmengine.registry
    import mmseg.registry
    import mmseg.utils

    mmdet.utils.register_all_modules(init_default_scope=False)
    mmseg.utils.register_all_modules(init_default_scope=False)
    registries = {
        "mmcv": mmengine.registry.TRANSFORMS,
        "mmdet": mmdet.registry.TRANSFORMS,
        "mmseg": mmseg.registry.TRANSFORMS,
    }
    return {
        f"{package}.{name}": cls
        for package, registry in registries.items()
        for name, cls in registry.module_dict.items()
    }


def masks_of(name: str) -> tuple[str, ...]:
    """Return the kinds of masks to run a transform with.

    Args:
        name: Name of the transform.
    """
    takes_both = name.startswith("mmdet.") and name not in BITMAPS_ONLY
    return ("bitmap", "polygon") if takes_both else ("bitmap",)


def run(name: str, cls: type, files: dict[str, str], seeds: int) -> str | None:
    """Return the error of the first call that failed, or None.

    Args:
        name: Name of the transform.
        cls: Its class.
        files: Paths of image and label files.
        seeds: Number of seeds.
    """
    from mmengine.registry import DefaultScope

    package, _, short = name.partition(".")
    scope = "mmengine" if package == "mmcv" else package
    with DefaultScope.overwrite_default_scope(scope):
        for seed in range(seeds):
            for masks in masks_of(name):
                _seed(seed)
                try:
                    transform = _create(name, cls)
                    transform(_fill(package, short, files, masks))
                except Exception as error:  # noqa: BLE001  the error is the result
                    text = " ".join(str(error).split())[:160]
                    return f"{type(error).__name__}: {text}"
    return None


def _create(name: str, cls: type) -> Callable[[Results], Any]:
    options = copy.deepcopy(OPTIONS.get(name, {}))
    for option in inspect.signature(cls).parameters:
        if option == "prob" and option not in options:
            options[option] = 1.0
    return cls(**options)


def _seed(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # upstream draws from the global state
    torch.manual_seed(seed)


def _fill(package: str, short: str, files: dict[str, str], masks: str) -> Any:
    """Return the input of a transform."""
    if short in VOLUMES:
        return _volume()
    if short in ("UniformRefFrameSample", "BaseFrameSample"):
        images = [_plain(files) for _ in range(3)]
        return {"video_id": 0, "video_length": 3, "key_frame_id": 1, "images": images}
    results = _annotated(files, masks) if package == "mmdet" else _labelled(files)
    results.update(_SPECIAL[short](results, files) if short in _SPECIAL else {})
    if short == "InferencerLoader":
        return results["img"]
    if short in BOXES_ONLY:
        results = {key: results[key] for key in results if key not in ("gt_masks", "gt_seg_map")}
    return results


_SPECIAL: dict[str, Callable[[Results, dict[str, str]], Results]] = {
    "LoadMultiChannelImageFromFiles": lambda _, files: {"img_path": [files["grey"]] * 3},
    "LoadPanopticAnnotations": lambda _, files: {
        "seg_map_path": files["panoptic"],
        "segments_info": [{"id": 1, "category": 0, "is_thing": True}],
    },
    "LoadBiomedicalImageFromFile": lambda _, files: {"img_path": files["volume"]},
    "LoadBiomedicalAnnotation": lambda _, files: {"seg_map_path": files["volume_labels"]},
    "LoadBiomedicalData": lambda _, files: {"img_path": files["volume"]},
    "LoadProposals": lambda *_: {"proposals": {"bboxes": _numbers(4)}},
    "MixUp": lambda results, _: {"mix_results": results["mix_results"][:1]},
    "CopyPaste": lambda results, _: {"mix_results": results["mix_results"][:1]},
    "RandomCenterCropPad": lambda results, _: {"img": results["img"].astype("float32")},
    "RandomOrder": lambda *_: {"gt_bboxes": _numbers(4)},
    "PackTrackInputs": lambda results, _: {
        key: [value] for key, value in {**results, "gt_bboxes": _numbers(4)}.items()
    },
    "ProposalBroadcaster": lambda results, _: {"proposals": results["gt_bboxes"].clone()},
    "SegRescale": lambda results, _: {"gt_semantic_seg": results["gt_seg_map"]},
}


def _numbers(columns: int) -> Any:
    import numpy as np

    boxes = np.array([[10, 12, 60, 70, 0.9], [30, 5, 120, 90, 0.8]], np.float32)
    return boxes[:, :columns]


def _image() -> Any:
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)


def _labels() -> Any:
    import numpy as np

    labels = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    labels[20:70, 30:90] = 1
    labels[60:90, 5:50] = 2
    return labels


def _plain(files: dict[str, str]) -> Results:
    """Return the input of mmcv's own transforms."""
    import numpy as np

    return {
        "img": _image(),
        "img2": _image(),
        "img_path": files["image"],
        "img_path2": files["image"],
        "seg_map_path": files["labels"],
        "depth_map_path": files["labels"],
        "img_id": 0,
        "frame_id": 0,
        "img_shape": (HEIGHT_PX, WIDTH_PX),
        "ori_shape": (HEIGHT_PX, WIDTH_PX),
        "height": HEIGHT_PX,
        "width": WIDTH_PX,
        "scale_factor": (1.0, 1.0),
        "scale": (WIDTH_PX, HEIGHT_PX),
        "flip": True,
        "flip_direction": "horizontal",
        "gt_bboxes": _numbers(4),
        "gt_bboxes_labels": np.array([0, 1]),
        "gt_label": 1,
        "instances": [
            {
                "bbox": [x1, y1, x2, y2],
                "bbox_label": label,
                "instance_id": label,
                "ignore_flag": 0,
                "mask": [[x1, y1, x2, y1, x2, y2, x1, y2]],
            }
            for label, (x1, y1, x2, y2) in enumerate(_numbers(4).tolist())
        ],
    }


def _labelled(files: dict[str, str]) -> Results:
    """Return the input of mmcv's and mmsegmentation's transforms."""
    import numpy as np

    results = {
        **_plain(files),
        "gt_seg_map": _labels(),
        "gt_depth_map": _labels().astype(np.float32),
        "seg_fields": ["gt_seg_map"],
        "reduce_zero_label": False,
        "label_map": None,
    }
    results["mix_results"] = [copy.deepcopy(results) for _ in range(3)]
    return results


def _annotated(files: dict[str, str], masks: str) -> Results:
    """Return the input of mmdet's transforms."""
    import numpy as np
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    boxes = _numbers(4)
    bitmaps = np.zeros((len(boxes), HEIGHT_PX, WIDTH_PX), np.uint8)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes.astype(int), strict=True):
        bitmap[y1:y2, x1:x2] = 1
    size = (HEIGHT_PX, WIDTH_PX)
    outlines = [
        [np.array(polygon, np.float32) for polygon in instance["mask"]]
        for instance in _plain(files)["instances"]
    ]
    polygons = PolygonMasks(outlines, *size)
    results = {
        **_labelled(files),
        "gt_bboxes": HorizontalBoxes(boxes),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
        "gt_masks": BitmapMasks(bitmaps, *size) if masks == "bitmap" else polygons,
        "gt_instances_ids": np.array([0, 1]),
        "text": {"0": "a cat", "1": "a dog"},
        "dataset_mode": "OD",
        "branch": "a",
    }
    results["mix_results"] = [copy.deepcopy(results) for _ in range(3)]
    return results


def _volume() -> Results:
    import numpy as np

    rng = np.random.default_rng(0)
    return {
        "img": rng.normal(size=(2, 8, 16, 20)).astype(np.float32),
        "gt_seg_map": rng.integers(0, 3, (8, 16, 20)).astype(np.uint8),
        "img_shape": (8, 16, 20),
        "seg_fields": ["gt_seg_map"],
    }


def _write_files(folder: Path) -> dict[str, str]:
    import cv2
    import numpy as np

    volume = np.concatenate((_volume()["img"], _volume()["gt_seg_map"][None]))
    arrays = {"volume": volume, "volume_labels": _volume()["gt_seg_map"]}
    panoptic = np.stack((_labels(), *np.zeros((2, HEIGHT_PX, WIDTH_PX), np.uint8)), -1)[..., ::-1]
    images = {"image": _image(), "grey": _image()[..., 0], "labels": _labels()}
    files = {}
    for name, array in arrays.items():
        files[name] = str(folder / f"{name}.npy")
        np.save(files[name], array)
    for name, image in {**images, "panoptic": panoptic}.items():
        files[name] = str(folder / f"{name}.png")
        cv2.imwrite(files[name], image)
    return files


def _versions() -> dict[str, str]:
    import cv2
    import mmcv
    import mmdet
    import mmseg
    import numpy as np

    modules = {"numpy": np, "opencv": cv2, "mmcv": mmcv, "mmdet": mmdet, "mmseg": mmseg}
    versions = {name: str(module.__version__) for name, module in modules.items()}
    return {"python": platform.python_version(), **versions}


if __name__ == "__main__":
    main()
