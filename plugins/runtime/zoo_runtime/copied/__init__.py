# SPDX-License-Identifier: Apache-2.0
"""Modules of zoo, copied by tools/runtime_copies.py: change them there."""

from __future__ import annotations

__all__ = [
    "cgroups",
    "cleaning",
    "cores",
    "decoders",
    "documents",
    "exported_values",
    "overlays",
    "pictures",
    "reading",
    "scenes",
    "texts",
]
