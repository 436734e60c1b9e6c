# SPDX-License-Identifier: Apache-2.0
"""What a plan states of its network."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Network"]


@dataclass(frozen=True, slots=True)
class Network:
    """A base config of a network, and how it trains best.

    Attributes:
        base: Name of `zoo config list --bases`.
        rate: Learning rate of AdamW for the batch that its rule states.
        decay: Its weight decay.
        byte_per_px: Memory of a training step for each pixel of a crop.
        encoder_rate: Rate of the encoder by that of the rest.
        averaged: Whether the mean of the weights of the last steps is validated and kept.
        full_resolution: Whether the first convolution keeps the size of its input.
        pretrained: Whether its encoder starts from ImageNet.
    """

    base: str
    rate: float
    decay: float
    byte_per_px: int
    encoder_rate: float = 1.0
    averaged: bool = False
    full_resolution: bool = False
    pretrained: bool = True
