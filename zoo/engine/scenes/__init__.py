# SPDX-License-Identifier: Apache-2.0
"""Images in memory and rasters on disk, read window by window, and merging what windows share."""

from __future__ import annotations

__all__ = [
    "arrays",
    "blending",
    "ground_area",
    "ground_outlines",
    "label_journal",
    "label_rows",
    "merging",
    "opening",
    "pasting",
    "roi_mask",
    "scene",
    "tiling",
]
