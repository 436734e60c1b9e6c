# SPDX-License-Identifier: Apache-2.0
"""Windows of large images, and what overlapping ones found, merged."""

from __future__ import annotations

__all__ = [
    "blending",
    "merging",
    "overlaps",
    "pasting",
    "roi_mask",
    "runs",
    "scene",
    "shapes",
    "windows",
]
