# SPDX-License-Identifier: Apache-2.0
"""Raw data sets: open a folder or a zip, pair images with masks, and read tables."""

from __future__ import annotations

__all__ = [
    "endings",
    "opening",
    "pairing",
    "reading",
    "source",
    "spelling",
    "synthetic",
    "table",
    "zip_check",
]
