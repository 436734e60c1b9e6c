# SPDX-License-Identifier: Apache-2.0
"""COCO's category ids: torchvision has a channel for each, also for the ten that nothing has."""

from __future__ import annotations

__all__ = ["COCO_IDS", "NUM_CHANNELS"]

NUM_CHANNELS = 91
"""Channels of torchvision's classifiers: the background, 0, and the ids 1 to 90."""

_UNUSED = frozenset([12, 26, 29, 30, 45, 66, 68, 69, 71, 83])

COCO_IDS = tuple(number for number in range(1, NUM_CHANNELS) if number not in _UNUSED)
"""Ids of the 80 classes, in their order.

Source: the names ``N/A`` in torchvision/models/_meta.py of torchvision 0.28.0.
"""
