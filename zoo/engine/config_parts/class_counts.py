# SPDX-License-Identifier: Apache-2.0
"""Set the number of classes of every head, and what depends on it."""

from __future__ import annotations

import logging
from typing import Any

from zoo.engine.config_parts.parts import (
    STUFF,
    THINGS,
    class_count,
    iterate_heads,
    iterate_panoptic_heads,
)
from zoo.engine.config_parts.tree import iterate_dicts

__all__ = ["set_class_counts"]

_LOG = logging.getLogger("zoo")


def set_class_counts(model: Any, count: int) -> None:
    """Set the number of classes of every head of a model, in place.

    Class weights and output channels that depend on it change too; unequal weights are dropped,
    which is logged.

    Args:
        model: The config's model.
        count: Number of classes of the data.
    """
    for key, head in iterate_heads(model):
        _set_class_count(head, count, key)
    for key, head in iterate_panoptic_heads(model):
        old = class_count(head)
        head[THINGS], head[STUFF] = count, 0  # instance data has no stuff
        _resize_all_weights(head, key, old, count)


def _set_class_count(head: dict[str, Any], count: int, key: str) -> None:
    old = head["num_classes"]
    head["num_classes"] = count
    # One output channel with a threshold can only distinguish two classes.
    if head.get("out_channels") not in (None, 1):
        head["out_channels"] = count
    elif head.get("out_channels") == 1 and count != 2:
        head["out_channels"] = None
    _resize_all_weights(head, key, old, count)


def _resize_all_weights(head: dict[str, Any], key: str, old: int, count: int) -> None:
    if old == count:
        return
    for loss_key, loss in iterate_dicts(head, key):
        weights = loss.get("class_weight")
        if isinstance(weights, (list, tuple)):
            loss["class_weight"] = _resize_weights(list(weights), old, count, loss_key)


def _resize_weights(weights: list[float], old: int, count: int, key: str) -> list[float] | None:
    """Stretch equal class weights to the new count (one more for "no object"); drop others."""
    if old > 0 and len(set(weights[:old])) == 1 and len(weights) in (old, old + 1):
        return weights[:1] * count + weights[old:]
    text = "dropped %s.class_weight: %d weights for the %d classes of the config, the data has %d"
    _LOG.warning(text, key, len(weights), old, count)
    # Heads with a "no object" class need weights.
    return [1.0] * count + weights[old:] if len(weights) == old + 1 else None
