# SPDX-License-Identifier: Apache-2.0
"""Areas in physical units, for images that state their pixel size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["area_text", "pixel_area_mm2"]


def pixel_area_mm2(meta: Mapping[str, Any]) -> float | None:
    """Return the area of one pixel in mm^2, None where the image does not say its spacing.

    Args:
        meta: What is known of the image; ``spacing_mm`` is the distance from row to row and from
            column to column.
    """
    match meta.get("spacing_mm"):
        case [int() | float() as row_mm, int() | float() as column_mm]:
            area_mm2 = float(row_mm * column_mm)
            return area_mm2 if math.isfinite(area_mm2) and area_mm2 > 0 else None
    return None


def area_text(area: float, unit: str) -> str:
    """Return an area in four digits, or whole units of a larger one: ``31,250 mm²``.

    Args:
        area: In ``unit``.
        unit: ``mm²`` or ``m²``.
    """
    return f"{area:,.0f} {unit}" if area >= 1000 else f"{area:.4g} {unit}"
