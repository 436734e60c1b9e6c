# SPDX-License-Identifier: Apache-2.0
"""Outlines and windows: where things are in a picture."""

from __future__ import annotations

__all__ = ["shapes", "windows"]
