# SPDX-License-Identifier: Apache-2.0
"""Check and convert the options of the metric."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import ConfigError

__all__ = [
    "COCO_SIZES",
    "KINDS",
    "MOST_AREA",
    "read_kinds",
    "read_max_dets",
    "read_score",
    "read_sizes",
]

KINDS = ("bbox", "segm")
MOST_AREA = 1e5**2
"""In px^2: where pycocotools' ranges of areas end."""
COCO_SIZES: Mapping[str, tuple[float, float | None]] = {
    "s": (0, 32),
    "m": (32, 96),
    "l": (96, None),
}
"""COCO's small, medium and large: sides in px of squares of an object's area."""


def read_kinds(metric: str | Sequence[str]) -> tuple[str, ...]:
    """Return the kinds to evaluate, ``bbox`` before ``segm``.

    Args:
        metric: ``bbox``, ``segm`` or both.

    Raises:
        ConfigError: A kind is unknown, or there is none.
    """
    kinds = (metric,) if isinstance(metric, str) else tuple(metric)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        found = repr(unknown[0]) if unknown else "nothing"
        message = f"cannot evaluate {found}: expected 'bbox', 'segm' or both."
        raise ConfigError(message, where="CocoMetric.metric")
    return tuple(kind for kind in KINDS if kind in kinds)


def read_max_dets(max_dets: Sequence[int]) -> tuple[int, ...]:
    """Return the limits of predictions per class and image, ascending.

    Args:
        max_dets: The limits, integers >= 1, ascending.

    Raises:
        ConfigError: The limits are not integers >= 1, or do not ascend.
    """
    found = tuple(max_dets) if isinstance(max_dets, (list, tuple)) else (max_dets,)
    is_right = all(type(number) is int and number > 0 for number in found)
    if not (found and is_right and sorted(set(found)) == list(found)):
        message = f"cannot use max_dets {max_dets!r}: expected whole numbers above 0, ascending."
        raise ConfigError(message, where="CocoMetric.max_dets", hint="use (1, 100, 1000).")
    return found


def read_score(score_thr: float) -> float:
    """Return the lowest score that counts.

    Args:
        score_thr: The score, 0 to 1.

    Raises:
        ConfigError: It is not a number from 0 to 1.
    """
    if type(score_thr) not in (int, float) or not 0 <= score_thr <= 1:
        message = f"cannot use the score threshold {score_thr!r}: expected a number from 0 to 1."
        raise ConfigError(message, where="CocoMetric.score_thr")
    return float(score_thr)


def read_sizes(sizes: Any) -> dict[str, tuple[float, float]]:
    """Return the range of areas of each size in px^2, inclusive as in pycocotools.

    Args:
        sizes: Name -> from, to: sides in px of squares of equal area, None for no limit. None for
            COCO's.

    Raises:
        ConfigError: A name is not valid in a metric's name, or a range is invalid.
    """
    if not isinstance(sizes, (Mapping, type(None))):
        message = f"cannot use sizes {sizes!r}: expected names with a range in px each."
        raise ConfigError(message, where="CocoMetric.sizes", hint="use dict(small=(0, 32)).")
    areas = {}
    for name, sides in (COCO_SIZES if sizes is None else sizes).items():
        if not re.fullmatch(r"[A-Za-z0-9.+-]+", str(name)) or str(name) in ("50", "75"):
            message = (
                f"cannot name a size {str(name)!r}: expected letters, digits, '.', '+' and '-', "
            )
            message += "but not '50' or '75', which are thresholds."
            raise ConfigError(message, where="CocoMetric.sizes", hint="rename it.")
        areas[str(name)] = _read_range(name, sides)
    # Sorted by size, because a config written and read again has its keys in alphabetical order.
    return dict(sorted(areas.items(), key=lambda item: item[1]))


def _read_range(name: str, sides: Any) -> tuple[float, float]:
    numbers = list(sides) if isinstance(sides, (list, tuple)) else []
    if len(numbers) == 2 and numbers[1] is None:
        numbers[1] = math.sqrt(MOST_AREA)
    is_right = all(type(number) in (int, float) for number in numbers)
    if not (len(numbers) == 2 and is_right and 0 <= numbers[0] < numbers[1] < math.inf):
        message = f"cannot use the size {name!r}: {sides!r}, expected (from, to) in px."
        hint = "the end must be above the start; use None for no end."
        raise ConfigError(message, where="CocoMetric.sizes", hint=hint)
    return float(numbers[0]) ** 2, float(numbers[1]) ** 2
