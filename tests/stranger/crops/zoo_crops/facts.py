# SPDX-License-Identifier: Apache-2.0
"""Classes and colours of the tiles."""

from __future__ import annotations

__all__ = ["CLASSES", "PALETTE", "UNSEEN"]

CLASSES = ("soil", "crop", "weed", "residue")
PALETTE = ((150, 100, 60), (0, 170, 60), (200, 0, 180), (230, 210, 120))
UNSEEN = (0, 0, 0)
"""Colour of pixels that nobody labelled."""
