# SPDX-License-Identifier: Apache-2.0
"""Images as arrays: decode, orient, convert to 8 bits, and draw on them."""

from __future__ import annotations

__all__ = [
    "color_ids",
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
