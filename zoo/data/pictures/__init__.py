# SPDX-License-Identifier: Apache-2.0
"""Pictures as arrays: decoded by one rule, turned, reduced to 8 bits, drawn on."""

from __future__ import annotations

__all__ = [
    "decoding",
    "depth",
    "digests",
    "drawing",
    "formats",
    "legend",
    "lettering",
    "mask_alpha",
    "picture",
    "pixels",
    "turning",
]
