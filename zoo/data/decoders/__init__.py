# SPDX-License-Identifier: Apache-2.0
"""Formats of pictures: what a header says, and which library reads the pixels."""

from __future__ import annotations

__all__ = [
    "faults",
    "header",
    "jpeg",
    "opencv",
    "pillow",
    "png",
    "raster",
    "raster_bands",
    "tiff",
    "tiff_tags",
    "vrt",
]
