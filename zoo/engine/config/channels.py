# SPDX-License-Identifier: Apache-2.0
"""Explain errors about numbers of channels by the part of the model that has the wrong one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Channels", "channels_hint", "find_channels"]

# As torch words them; ``takes`` is the layer's number, ``found`` that of its input.
_CONVOLUTION = re.compile(
    r"expected input\[[\d, ]+\] to have (?P<takes>\d+) channels, but got (?P<found>\d+) channels"
)
_LINEAR = re.compile(r"shapes cannot be multiplied \(\d+x(?P<found>\d+) and (?P<takes>\d+)x\d+\)")
_BATCH_NORM = re.compile(r"running_mean should contain (?P<found>\d+) elements not (?P<takes>\d+)")
_GROUP_NORM = re.compile(
    r"got weight of shape \[(?P<takes>\d+)\] and input of shape \[\d+, (?P<found>\d+)"
)
_LAYER_NORM = re.compile(
    r"normalized_shape=\[(?P<takes>\d+)\].*got input of size\s*\[(?:\d+, )*(?P<found>\d+)\]"
)
_PATTERNS = (_CONVOLUTION, _LINEAR, _BATCH_NORM, _GROUP_NORM, _LAYER_NORM)


@dataclass(frozen=True, slots=True)
class Channels:
    """A layer that takes another number of channels than it gets.

    Attributes:
        takes: What the layer was built for.
        found: What its input has.
    """

    takes: int
    found: int


def find_channels(error: BaseException) -> Channels | None:
    """Return the numbers that an error of torch states, or None if it is about something else.

    Args:
        error: What a step of a model raised.
    """
    if not isinstance(error, RuntimeError):
        return None
    for pattern in _PATTERNS:
        found = pattern.search(str(error))
        if found:
            return Channels(int(found["takes"]), int(found["found"]))
    return None


def channels_hint(key: str, node: Any, channels: Channels) -> str:
    """Return what to change in a config.

    Args:
        key: Of the part whose layer it is.
        node: That part of the config.
        channels: The two numbers.
    """
    stated = node.get("in_channels") if isinstance(node, Mapping) else None
    if stated == channels.takes:
        return f"set {key}.in_channels={channels.found}, or change the part before it."
    if isinstance(stated, (list, tuple)) and channels.takes in stated:
        return f"correct {channels.takes} in {key}.in_channels, or change the part before it."
    return (
        f"make the number of channels of {key} and of what it gets equal; "
        "`zoo config show` prints both."
    )
