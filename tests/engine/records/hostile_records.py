# SPDX-License-Identifier: Apache-2.0
"""Records that try to run something or to ask for too much: written by a generator, not by hand.

Every type that OpenMMLab registers is put where a model or a pipeline takes one, and every
parameter of its constructor is given what it should not have.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["BASES", "CONTROLS", "hostile_records"]

# Run where a string is resolved or evaluated; where no registry looks, they are just strings.
CALLS = (
    *("os.system", "subprocess.Popen", "os.execvp", "builtins.eval", "builtins.exec", "pip.main"),
    *("shutil.rmtree", "torch.hub.load", "torch.load", "pickle.loads", "urllib.request.urlopen"),
    *("mmengine.fileio.get", "mmengine.utils.get_object_from_string", "importlib.import_module"),
    *("antigravity", "zoo.registry", "__import__('os').system('touch canary')", "print(1)"),
    *("os\u2024system", "\uff4fs.system", "o\u0455.system", "ReLU\u200b", "ReLU\n", " ReLU"),
    *("hf-hub:somebody/model", "https://example.org/x.pth", "file:///etc/passwd", "/etc/passwd"),
    *("../canary", "~/canary", "pickle", "petrel", "bert-base-uncased", "touch canary", "a; b"),
    *("{{fileDirname}}", "$HOME", "%s" * 50, "x" * 100_000, "\x1b[2J", "cv2.MOTION_EUCLIDEAN"),
)
NUMBERS = (10**9, 10**12, -(10**9), -1, 0, 1e9, 1e300, 2**31, 2**63, 0.5, 50_000, 4096, True)
LISTS = (
    *([0] * 20_000, [[]] * 100, [["os.system"]], [10**9, 10**9], [50_000, 50_000], [1e9] * 3),
    *({"$tuple": [50_000, 50_000]}, {"$tuple": [10**6] * 2}, {"$tuple": ["os.system"]}, []),
)
TABLES = (
    *({"type": "os.system", "command": "touch canary"}, {"type": "subprocess.Popen", "args": "id"}),
    *({"type": ["os.system"]}, {"type": {"type": "ReLU"}}, {"type": 3}, {"type": None}, {}),
    {"type": "ConvModule", "padding_mode": "os.system", "padding": "touch canary"},
    {"type": "mmengine.fileio.rmtree", "dir_path": "canary"},
    {"type": "ReLU", "_scope_": "os"},
    {"type": "ReLU", "_delete_": True},
    {"_base_": "canary.py", "type": "ReLU"},
    {"__class__": "os", "type": "ReLU"},
    {"type": "os.ReLU"},
    {"type": "mmseg.os.system"},
    {"type": "zoo.os.system"},
    {"type": "zoo.zoo.registry.os"},
    {"type": "zoo."},
    {"type": "."},
    {"type": "mmseg."},
    {"type": "Registry"},
)
_SLOTS = {
    "MODELS": (
        ("semantic", ("model",)),
        ("semantic", ("model", "backbone")),
        ("semantic", ("model", "backbone", "conv_cfg")),
        ("semantic", ("model", "decode_head", "loss_decode")),
        ("instance", ("model", "rpn_head")),
    ),
    "TASK_UTILS": (
        ("instance", ("model", "rpn_head", "anchor_generator")),
        ("instance", ("model", "rpn_head", "bbox_coder")),
    ),
    "TRANSFORMS": (("semantic", ("pipeline", 0)), ("semantic", ("pipeline", 1))),
}
_RECORD = {
    "name": "tiny",
    "classes": {"$tuple": ["background", "lung"]},
    "palette": {"$tuple": [{"$tuple": [0, 0, 0]}, {"$tuple": [255, 0, 0]}]},
    "labels": "true",
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "trained_with": "tiny",
    "parameters": 4,
    "metrics": {"$tuple": []},
    "provenance": {},
    "schema": 1,
}
_UNET = {
    "type": "UNet",
    "base_channels": 2,
    "num_stages": 3,
    "strides": {"$tuple": [1, 1, 1]},
    "enc_num_convs": {"$tuple": [1, 1, 1]},
    "dec_num_convs": {"$tuple": [1, 1]},
    "downsamples": {"$tuple": [True, True]},
    "enc_dilations": {"$tuple": [1, 1, 1]},
    "dec_dilations": {"$tuple": [1, 1]},
    "norm_cfg": {"type": "BN"},
    "upsample_cfg": {"type": "InterpConv"},
}
_LOAD, _PACK = {"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}
_SEMANTIC: dict[str, Any] = {
    **_RECORD,
    "task": "semantic",
    "scope": "mmseg",
    "model": {
        "type": "EncoderDecoder",
        "data_preprocessor": {"type": "SegDataPreProcessor", "test_cfg": {"size_divisor": 16}},
        "backbone": _UNET,
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 2,
            "in_index": 2,
            "channels": 2,
            "num_convs": 1,
            "num_classes": 2,
            "concat_input": False,
            "loss_decode": {"type": "CrossEntropyLoss"},
        },
        "train_cfg": None,
        "test_cfg": {"mode": "slide", "crop_size": [48, 48], "stride": [32, 32]},
    },
    "pipeline": [
        _LOAD,
        {"type": "Resize", "scale": {"$tuple": [64, 64]}, "keep_ratio": False},
        _PACK,
    ],
}
_CODER = {"type": "DeltaXYWHBBoxCoder"}
_ROI = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 2}
_EXTRACTOR = {"out_channels": 8, "featmap_strides": [4, 8], "roi_layer": _ROI}
_NMS = {"type": "nms", "iou_threshold": 0.5}
_INSTANCE = {
    **_RECORD,
    "task": "instance",
    "scope": "mmdet",
    "tiling": {"tile_px": 64, "overlap_px": 16},
    "model": {
        "type": "MaskRCNN",
        "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "stem_channels": 4,
            "base_channels": 4,
            "num_stages": 2,
            "strides": [1, 2],
            "dilations": [1, 1],
            "out_indices": [0, 1],
        },
        "neck": {"type": "FPN", "in_channels": [4, 8], "out_channels": 8, "num_outs": 3},
        "rpn_head": {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 8,
            "bbox_coder": _CODER,
            "anchor_generator": {
                "type": "AnchorGenerator",
                "octave_base_scale": 4,
                "scales_per_octave": 1,
                "ratios": [1.0],
                "strides": [4, 8, 16],
            },
        },
        "roi_head": {
            "type": "StandardRoIHead",
            "bbox_roi_extractor": {"type": "SingleRoIExtractor", **_EXTRACTOR},
            "mask_roi_extractor": {"type": "SingleRoIExtractor", **_EXTRACTOR},
            "bbox_head": {
                "type": "Shared2FCBBoxHead",
                "in_channels": 8,
                "fc_out_channels": 8,
                "num_classes": 2,
                "bbox_coder": _CODER,
            },
            "mask_head": {
                "type": "FCNMaskHead",
                "in_channels": 8,
                "conv_out_channels": 4,
                "num_classes": 2,
                "num_convs": 1,
            },
        },
        "train_cfg": None,
        "test_cfg": {
            "rpn": {"nms_pre": 50, "max_per_img": 20, "nms": _NMS, "min_bbox_size": 0},
            "rcnn": {"score_thr": 0.0, "nms": _NMS, "max_per_img": 5, "mask_thr_binary": 0.5},
        },
    },
    "pipeline": [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": {"$tuple": [64, 64]}, "keep_ratio": True},
        {
            "type": "PackDetInputs",
            "meta_keys": {"$tuple": ["img_path", "ori_shape", "img_shape", "scale_factor"]},
        },
    ],
}
BASES: dict[str, dict[str, Any]] = {"semantic": _SEMANTIC, "instance": _INSTANCE}
"""Small models that predict, as their files hold them."""


def _exchanged(base: str, place: tuple[Any, ...], value: Any) -> str:
    record = copy.deepcopy(BASES[base])
    node: Any = record
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return json.dumps(record)


_WHOLE = {**_SEMANTIC["model"], "test_cfg": {"mode": "whole"}}
_PAD = {"type": "Pad", "size": {"$tuple": [4500, 4500]}}
_SHAPE = {"in_channels": 1, "out_channels": 1, "kernel_size": 1}
# Each does what it says where nothing protects: what shows that the harness sees it.
CONTROLS: dict[str, tuple[str, str]] = {
    "os.system": (
        "a padding mode is resolved",
        _exchanged(
            "semantic",
            ("model", "decode_head", "loss_decode"),
            {"type": "ConvModule", "padding_mode": "os.system", "padding": "true", **_SHAPE},
        ),
    ),
    "subprocess.Popen": (
        "a type is imported",
        _exchanged("semantic", ("model", "neck"), {"type": "subprocess.Popen", "args": "true"}),
    ),
    "import": (
        "a scope is imported",
        _exchanged("semantic", ("model", "neck"), {"type": "this.Net"}),
    ),
    "memory": (
        "a picture is padded",
        json.dumps({**_SEMANTIC, "model": _WHOLE, "pipeline": [_LOAD, _PAD, _PACK]}),
    ),
}
"""Event -> what happens, and the record that makes it happen."""


def hostile_records(seed: int = 0) -> Iterator[tuple[str, str]]:
    """Yield a name and a record's JSON, a few thousand of them.

    Args:
        seed: Chooses which of the values each parameter is given.
    """
    chance = random.Random(seed)
    yield from _foreign_types()
    yield from _every_place(chance)
    for registry, name, cls in _registered():
        for key in _parameters(cls):
            base, place = chance.choice(_SLOTS[registry])
            value = chance.choice((*CALLS, *CALLS, *NUMBERS, *LISTS, *TABLES))
            table = {"type": name, key: value}
            yield f"{name}({key})", _exchanged(base, place, table)


def _foreign_types() -> Iterator[tuple[str, str]]:
    """Yield every value that is no type wherever a type stands."""
    for slots in _SLOTS.values():
        for base, place in slots:
            for number, value in enumerate(CALLS):
                yield f"type {number} at {place}", _exchanged(base, place, {"type": value})
            for number, table in enumerate(TABLES):
                yield f"table {number} at {place}", _exchanged(base, place, table)


def _every_place(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield every value of the two models exchanged for several others."""
    for base, record in BASES.items():
        for place in _places(record):
            for value in (
                *chance.sample(CALLS, 2),
                *chance.sample(NUMBERS, 3),
                *chance.sample(LISTS, 1),
                *chance.sample(TABLES, 1),
            ):
                yield f"{base}{place}", _exchanged(base, place, value)


def _places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*place, key))


def _registered() -> Iterator[tuple[str, str, Any]]:
    import mmcv.cnn
    import mmcv.ops
    import mmcv.transforms  # noqa: F401

    for scope in ("mmengine", "mmseg", "mmdet"):
        module = importlib.import_module(f"{scope}.registry")
        for registry in _SLOTS:
            found = getattr(module, registry)
            found.import_from_location()
            for name, cls in sorted(found.module_dict.items()):
                yield registry, f"{scope}.{name}", cls


def _parameters(cls: Any) -> list[str]:
    """Return what a constructor takes, by whatever parent."""
    names: list[str] = []
    for one in getattr(cls, "__mro__", (cls,)):
        call = one.__init__ if inspect.isclass(one) else one
        try:
            names += [name for name in inspect.signature(call).parameters if name not in names]
        except (TypeError, ValueError):  # a built-in
            continue
    return [name for name in names if name not in ("self", "args", "kwargs")]
