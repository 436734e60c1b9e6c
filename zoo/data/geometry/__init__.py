# SPDX-License-Identifier: Apache-2.0
"""Outlines and windows in images."""

from __future__ import annotations

__all__ = ["shapes", "windows"]
