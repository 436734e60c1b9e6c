# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.prediction.areas, by tools/runtime_copies.py.
"""Areas in physical units, for images that state their pixel size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["area_text", "pixel_area_mm2"]


def pixel_area_mm2(meta: Mapping[str, Any]) -> float | None:
    """Return the area of one pixel in mm^2, or None if the image does not state its spacing.

    Args:
        meta: The image's metadata; ``spacing_mm`` is the distance between rows and between
            columns.
    """
    match meta.get("spacing_mm"):
        case [int() | float() as row_mm, int() | float() as column_mm]:
            area_mm2 = float(row_mm * column_mm)
            return area_mm2 if math.isfinite(area_mm2) and area_mm2 > 0 else None
    return None


def area_text(area: float, unit: str) -> str:
    """Return an area with four digits, or in whole units if it is larger: ``31,250 mm²``.

    Args:
        area: In ``unit``.
        unit: ``mm²`` or ``m²``.
    """
    return f"{area:,.0f} {unit}" if area >= 1000 else f"{area:.4g} {unit}"
