# SPDX-License-Identifier: Apache-2.0
"""Pictures in memory and rasters on disk, window by window, and what windows share."""

from __future__ import annotations

__all__ = ["arrays", "ground_outlines", "merging", "opening", "roi_mask", "scene", "tiling"]
