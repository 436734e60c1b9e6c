# SPDX-License-Identifier: Apache-2.0
"""Facts known without reading an image."""

from __future__ import annotations

__all__ = ["CLASSES", "LICENCE", "PALETTE"]

CLASSES = ("oil-storage-tank",)
PALETTE = ((255, 196, 0),)
LICENCE = "see DATA_LICENSE.md of mmzoo-oil-storage"
