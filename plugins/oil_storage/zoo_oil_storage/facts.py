# SPDX-License-Identifier: Apache-2.0
"""What is known without reading a picture."""

from __future__ import annotations

__all__ = ["CLASSES", "LICENCE", "PALETTE", "VERSION"]

VERSION = "0.1.0"  # of the plugin; prepared folders state it
CLASSES = ("oil-storage-tank",)
PALETTE = ((255, 196, 0),)
LICENCE = "see DATA_LICENSE.md of mmzoo-oil-storage"
