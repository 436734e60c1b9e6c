# SPDX-License-Identifier: Apache-2.0
"""Metrics in listings: values with their units, filtered and sorted on one scale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.texts import unit_text

__all__ = ["MetricFilter", "metric_text", "metric_value", "parse_metric"]

_METRIC = re.compile(
    r"\s*(?P<name>[^<>=]+?)\s*"
    r"(?:(?P<sign>>=|<=)\s*(?P<value>-?(?:\d+\.?\d*|\.\d+))\s*(?P<percent>%?))?\s*"
)
_PERCENT = 100.0
_SHARES = ("fraction", "percent")


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """``NAME``, ``NAME>=VALUE`` or ``NAME<=VALUE``; a value is a fraction up to 1, else percent.

    Attributes:
        name: Name of the metric.
        sign: ``>=``, ``<=``, or None for any value.
        value: The bound, as written.
        is_percent: Whether the bound was written with a percent sign.
    """

    name: str
    sign: str | None = None
    value: float = 0.0
    is_percent: bool = False

    def fits(self, one: Mapping[str, Any]) -> bool:
        """Return whether a measured value is in bounds, on one scale for percent and fractions.

        Args:
            one: A value of an entry, with ``value`` and ``unit``; a plain number has no unit and
                is compared as it is.
        """
        if self.sign is None:
            return True
        is_share = one["unit"] in _SHARES
        if self.is_percent and not is_share:
            return False
        written_as_percent = self.is_percent or abs(self.value) > 1
        bound = self.value / _PERCENT if is_share and written_as_percent else self.value
        # The quotients of equal numbers may differ in the last digit.
        value, slack = metric_value(one), 1e-12
        return value >= bound - slack if self.sign == ">=" else value <= bound + slack


def parse_metric(text: str) -> MetricFilter | None:
    """Parse a filter, or return None if the text is not one.

    Args:
        text: Value of ``--metric``: ``NAME``, ``NAME>=VALUE`` or ``NAME<=VALUE``; the value may
            have a percent sign.

    Example:
        >>> parse_metric("mIoU>=75%")
        MetricFilter(name='mIoU', sign='>=', value=75.0, is_percent=True)
    """
    found = _METRIC.fullmatch(text)
    if found is None:
        return None
    value = float(found["value"] or 0)
    return MetricFilter(found["name"], found["sign"], value, bool(found["percent"]))


def metric_value(one: Mapping[str, Any]) -> float:
    """Return a value on the scale of fractions; a plain number as it is.

    Args:
        one: A value of an entry, with ``value`` and ``unit``.
    """
    value = float(one["value"])
    return value / _PERCENT if one["unit"] == "percent" else value


def metric_text(one: Mapping[str, Any]) -> str:
    """Return a value with its unit and where it was measured, for a cell of a table.

    Args:
        one: A value of an entry, with ``name``, ``value``, ``unit``, ``dataset`` and, if known,
            ``split`` and ``published``.

    Example:
        >>> metric_text({"name": "mIoU", "value": 44.41, "unit": "percent", "dataset": "ADE20K"})
        'mIoU 44.41% (ADE20K)'
    """
    sign = unit_text(one["unit"])
    where = [one["dataset"], one.get("split"), "published" if one.get("published") else None]
    return f"{one['name']} {one['value']:.4g}{sign} ({', '.join(filter(None, where))})"
