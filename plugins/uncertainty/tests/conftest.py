# SPDX-License-Identifier: Apache-2.0
"""A model whose logits are planted in the pixels, and images whose labels are drawn from them.

A pixel of value v is lung with probability ``sigmoid(a)``, ``a = (v - 127.5) / 32``. The model says
``sigmoid(t * a)``: its temperature is t, and its expected Dice is right once it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.data import encode_png

CENTER, SCALE = 127.5, 32.0
SIDE_PX = 24


def write_model(
    folder: Path,
    planted: float,
    *,
    classes: tuple[str, ...] = (),
    loader: Mapping[str, Any] = MappingProxyType({"type": "LoadImageFromFile"}),
) -> str:
    """Write a segmentor with one convolution of 1x1, and return what opens it."""
    import torch

    names = list(classes or ("background", "lung"))
    folder.mkdir(parents=True, exist_ok=True)
    segmentor = {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": [CENTER] * 3,
            "std": [SCALE] * 3,
            "bgr_to_rgb": True,
        },
        "backbone": {"type": "PixelsAsFeatures"},
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 3,
            "channels": 3,
            "num_convs": 0,
            "concat_input": False,
            "num_classes": len(names),
            "dropout_ratio": 0.0,
            "align_corners": False,
        },
        "train_cfg": None,
        "test_cfg": {"mode": "whole"},
    }
    pipeline = [dict(loader), {"type": "PackSegInputs"}]
    palette = [[60 * index, 90, 200] for index in range(len(names))]
    metainfo = {"classes": names, "palette": palette}
    dataset = {"type": "BaseSegDataset", "metainfo": metainfo, "pipeline": pipeline}
    config = folder / "model.py"
    config.write_text(
        f"default_scope = 'mmseg'\nmodel = {segmentor!r}\n"
        f"test_dataloader = dict(dataset={dataset!r})\n",
        encoding="utf-8",
    )
    weight = torch.zeros(len(names), 3, 1, 1)
    weight[1, 0] = planted
    state = {"decode_head.conv_seg.weight": weight}
    state["decode_head.conv_seg.bias"] = torch.zeros(len(names))
    torch.save({"state_dict": state, "meta": {}}, folder / "model.pth")
    return f"{config},{folder / 'model.pth'}"


def register_backbone() -> None:
    """Register the backbone of the planted model."""
    from mmengine.model import BaseModule
    from mmseg.registry import MODELS

    class PixelsAsFeatures(BaseModule):  # type: ignore[misc, unused-ignore]
        """Returns the image as features."""

        def forward(self, x: Any) -> tuple[Any]:
            return (x,)

    MODELS.register_module(module=PixelsAsFeatures, force=True)


@pytest.fixture(scope="session")
def planted_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that writes a model of a temperature into a new folder."""
    register_backbone()

    def write(planted: float, **options: Any) -> str:
        return write_model(tmp_path_factory.mktemp("model"), planted, **options)

    return write


def write_raw(folder: Path, patients: int, *, seed: int = 0) -> Path:
    """Write two images of each patient, whose masks are drawn from their pixels."""
    generator = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.toml").write_text(
        "".join(
            f'[[class]]\nname = "{name}"\nvalue = {index}\n'
            for index, name in enumerate(("background", "lung"))
        )
    )
    for patient in range(patients):
        offset = generator.normal(0, 25)
        for view in range(2):
            values = generator.normal(CENTER + offset, 50, (SIDE_PX, SIDE_PX))
            pixels = np.clip(values, 0, 255).astype(np.uint8)
            shares = 1 / (1 + np.exp(-(pixels - CENTER) / SCALE))
            mask = (generator.random(pixels.shape) < shares).astype(np.uint8)
            stem = f"p{patient:03}_{view}.png"
            (folder / "images" / stem).write_bytes(encode_png(pixels))
            (folder / "masks" / stem).write_bytes(encode_png(mask))
    return folder


@pytest.fixture(scope="session")
def planted_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared folder of 60 patients: a third of them in each split."""
    folder = tmp_path_factory.mktemp("planted")
    raw = write_raw(folder / "raw", 60)
    zoo.prepare("folder_data", raw, folder / "data", shares="0.34,0.33,0.33", group_by=r"p\d+")
    return folder / "data"
