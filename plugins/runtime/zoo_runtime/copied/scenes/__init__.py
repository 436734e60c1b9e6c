# SPDX-License-Identifier: Apache-2.0
"""Windows of large images, and what overlapping ones found, merged."""

from __future__ import annotations

__all__ = ["merging", "overlaps", "pasting", "roi_mask", "runs", "scene", "shapes", "windows"]
