# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: read, checked, and its masks as pixels."""

from __future__ import annotations

__all__ = ["masks", "reading"]
