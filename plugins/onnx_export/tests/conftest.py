# SPDX-License-Identifier: Apache-2.0
"""Small models of mmseg with random weights, for exports that take a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

import zoo

LOAD, PACK = {"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}


@MODELS.register_module(force=True)
class ToyStem(BaseModule):
    """Two convolutions, the second at half the size."""

    def __init__(self, channels: int = 3, departs: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 6, 3, padding=1)
        self.scale = ToyScale(departs)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.second(self.scale(self.first(x).relu())).relu(),)


class ToyScale(nn.Module):
    """A layer that does something else while it is exported, as traced constants do."""

    def __init__(self, departs: bool) -> None:
        super().__init__()
        self.departs = departs

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.25 if self.departs and torch.compiler.is_exporting() else x * 1.5


@MODELS.register_module(force=True)
class ToyUnknown(ToyStem):
    """A stem with an operator that ONNX does not have."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        (found,) = super().forward(x)
        return (found + torch.special.i1(found.mean(dim=(2, 3), keepdim=True)),)


@pytest.fixture
def write_toy(tmp_path: Path) -> Callable[..., zoo.Predictor]:
    """Return a function that writes a model below ``tmp_path`` and opens it."""
    return partial(_write_toy, tmp_path)


@pytest.fixture(scope="module")
def write_toys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., zoo.Predictor]:
    """Return the same function for models that several tests share."""
    return lambda *steps, **others: _write_toy(tmp_path_factory.mktemp("toy"), *steps, **others)


def _write_toy(
    folder: Path,
    *steps: dict[str, Any],
    load: dict[str, Any] | None = None,
    classes: int = 3,
    threshold: float | None = None,
    stem: dict[str, Any] | None = None,
    **model: Any,
) -> zoo.Predictor:
    """Return the predictor of a model that was just written, with the steps between load and pack.

    Args:
        folder: Where to write it.
        steps: Transforms of the test pipeline.
        load: The loading transform.
        classes: Number of classes.
        threshold: Of a model with one map of scores.
        stem: The backbone.
        model: Keys of the segmentor, over the defaults.
    """
    backbone = {"type": "ToyStem", **(stem or {})}
    one = {} if threshold is None else {"out_channels": 1, "threshold": threshold}
    segmentor = {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": [123.675, 116.28, 103.53][: backbone.get("channels", 3)],
            "std": [58.395, 57.12, 57.375][: backbone.get("channels", 3)],
            "bgr_to_rgb": True,
        },
        "backbone": backbone,
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 8,
            "channels": 8,
            "num_convs": 1,
            "concat_input": False,
            "num_classes": classes,
            "dropout_ratio": 0.0,
            "align_corners": False,
            **one,
        },
        "train_cfg": None,
        "test_cfg": {"mode": "whole"},
        **model,
    }
    names = [f"class_{index}" for index in range(classes)]
    dataset = {
        "type": "BaseSegDataset",
        "metainfo": {"classes": names, "palette": [[40 * i, 90, 200] for i in range(classes)]},
        "pipeline": [load or LOAD, *steps, PACK],
    }
    config = folder / "toy.py"
    config.write_text(
        f"default_scope = 'mmseg'\nmodel = {segmentor!r}\n"
        f"test_dataloader = dict(dataset={dataset!r})\n",
        encoding="utf-8",
    )
    init_default_scope("mmseg")
    torch.manual_seed(5)
    module = MODELS.build(segmentor)
    for name, value in module.named_parameters():
        if value.ndim > 1 or "bias" in name:
            nn.init.normal_(value, std=0.4)  # scores that differ, so that no rounding decides
    torch.save({"state_dict": module.state_dict(), "meta": {}}, folder / "toy.pth")
    return zoo.load(f"{config},{folder / 'toy.pth'}", device="cpu")
