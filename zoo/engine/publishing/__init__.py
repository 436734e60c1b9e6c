# SPDX-License-Identifier: Apache-2.0
"""Publish a run: one file, its card and its row."""

from __future__ import annotations

__all__ = ["into_plugin", "metrics", "publish", "rounding", "row"]
