# SPDX-License-Identifier: Apache-2.0
"""A backbone that trains in seconds."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

__all__ = ["TinyBackbone"]


class TinyBackbone(BaseModule):
    """Three convolutions at full resolution.

    Args:
        channels: Of every layer.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (3, channels, channels):
            layers += [
                nn.Conv2d(width, channels, 3, padding=1),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """Return ``(N, channels, H, W)`` of ``(N, 3, H, W)``."""
        return (self.layers(inputs),)
