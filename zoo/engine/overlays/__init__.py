# SPDX-License-Identifier: Apache-2.0
"""Draw results over their images."""

from __future__ import annotations

__all__ = [
    "instance_comparison",
    "instances",
    "label_comparison",
    "labels",
    "palette",
    "sample_arrays",
    "style",
]
