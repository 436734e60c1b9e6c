# SPDX-License-Identifier: Apache-2.0
"""Facts known without reading an image."""

from __future__ import annotations

__all__ = ["CLASSES", "LICENCE", "PALETTE", "VERSION"]

VERSION = "0.1.0"  # version of the plugin, stated in prepared folders
CLASSES = ("oil-storage-tank",)
PALETTE = ((255, 196, 0),)
LICENCE = "see DATA_LICENSE.md of mmzoo-oil-storage"
