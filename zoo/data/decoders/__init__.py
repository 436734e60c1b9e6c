# SPDX-License-Identifier: Apache-2.0
"""Image formats: read headers, and choose the library that decodes the pixels."""

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
