# SPDX-License-Identifier: Apache-2.0
"""Builders that the tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def build_unet() -> Callable[..., Any]:
    """Return a function that builds an EncoderDecoderUNet, narrow unless told otherwise."""
    pytest.importorskip("mmseg")
    import torch

    def build(encoder: dict[str, Any] | None = None, **settings: Any) -> Any:
        from mmseg.registry import MODELS

        torch.manual_seed(0)
        if "type" not in (encoder or {}):
            narrow = {"type": "zoo.vgg_unet.VGG16Encoder", "base_channels": 4}
            encoder = {**narrow, **(encoder or {})}
        config = {
            "type": "zoo.vgg_unet.EncoderDecoderUNet",
            "encoder": encoder,
            "decoder_channels": (8, 8, 6, 5),
            "num_convs": 1,
            **settings,
        }
        return MODELS.build(config)

    return build
