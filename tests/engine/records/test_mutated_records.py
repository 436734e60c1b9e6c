# SPDX-License-Identifier: Apache-2.0
"""A published model with one value of its record exchanged predicts, or is refused in our words."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import ZooError

pytestmark = pytest.mark.mm

BACKBONE = {
    "type": "UNet",
    "in_channels": 3,
    "base_channels": 2,
    "num_stages": 3,
    "with_cp": False,
    "strides": (1, 1, 1),
    "enc_num_convs": (1, 1, 1),
    "dec_num_convs": (1, 1),
    "downsamples": (True, True),
    "enc_dilations": (1, 1, 1),
    "dec_dilations": (1, 1),
    "norm_cfg": {"type": "BN"},
    "act_cfg": {"type": "ReLU"},
    "norm_eval": False,
    "conv_cfg": None,
    "upsample_cfg": {"type": "InterpConv"},
}
HEAD = {
    "type": "FCNHead",
    "in_channels": 2,
    "in_index": 2,
    "channels": 2,
    "num_convs": 1,
    "concat_input": False,
    "dropout_ratio": 0.1,
    "num_classes": 2,
    "align_corners": False,
    "norm_cfg": {"type": "BN"},
    "loss_decode": {"type": "CrossEntropyLoss"},
}
PREPROCESSOR = {
    "type": "SegDataPreProcessor",
    "mean": [0.0] * 3,
    "std": [255.0] * 3,
    "bgr_to_rgb": True,
    "pad_val": 0,
    "seg_pad_val": 255,
    "test_cfg": {"size_divisor": 16},
}
RECORD: dict[str, Any] = {
    "name": "tiny",
    "task": "semantic",
    "scope": "mmseg",
    "model": {
        "type": "EncoderDecoder",
        "data_preprocessor": PREPROCESSOR,
        "backbone": BACKBONE,
        "decode_head": HEAD,
        "train_cfg": None,
        "test_cfg": {"mode": "whole"},
    },
    "pipeline": [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": (64, 64), "keep_ratio": False},
        {"type": "PackSegInputs", "meta_keys": ("img_path", "ori_shape", "img_shape")},
    ],
    "classes": ("background", "lung"),
    "palette": ((0, 0, 0), (255, 0, 0)),
    "labels": "true",
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "trained_with": "unet_tiny",
    "parameters": 4,
    "metrics": (),
    "provenance": {},
}
VALUES = [
    *(None, True, 0, -1, 7, 10**9, -(10**9), 0.5, 1e9, "x", "", [], {}, [1, 2, 3]),
    *({"$tuple": [1]}, {"$tuple": [10**6, 10**6]}, {"type": "BN"}, {"type": "ReLU"}),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the model as a published file."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.records.record import ModelRecord

    record = ModelRecord(**RECORD)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    weights = MODELS.build(Config(record.config).model).state_dict()
    return write_published(tmp_path_factory.mktemp("tiny") / "tiny.safetensors", weights, record)


def _parted(path: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return a published file's header, the record in it, and its tensors."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    return header, json.loads(header.pop("__metadata__")["zoo"]), data[end:]


def _places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys to every value in a record, the inner ones too."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*place, key))


def _exchange(record: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    node: Any = changed
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


@pytest.mark.filterwarnings("ignore")  # what torch and OpenMMLab say of such values
def test_mutated_record_predicts_or_is_refused(tmp_path: Path, published: Path) -> None:
    """800 of the 2,000 exchanges; no error but ours, and no wait."""
    import zoo

    header, record, tensors = _parted(published)
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    assert zoo.load(str(published), device="cpu")(image).labels.shape == (70, 50)
    changes = [(place, value) for place in _places(record) for value in VALUES]
    path, outcomes = tmp_path / "mutated.safetensors", {"predicts": 0, "refused": 0}

    for place, value in random.Random(5).sample(changes, 800):
        text = json.dumps(_exchange(record, place, value))
        head = json.dumps({"__metadata__": {"zoo": text}, **header}).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + tensors)
        try:
            zoo.load(str(path), device="cpu")(image)
        except ZooError:
            outcomes["refused"] += 1
        else:
            outcomes["predicts"] += 1

    assert min(outcomes.values()) > 10, outcomes
