# SPDX-License-Identifier: Apache-2.0
"""Formats of pictures: what a header says, and how pixels are decoded."""

from __future__ import annotations

__all__ = ["faults", "header", "jpeg", "jpeg_markers", "opencv", "png", "tiff", "tiff_tags"]
