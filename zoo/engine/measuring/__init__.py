# SPDX-License-Identifier: Apache-2.0
"""Measure a checkpoint on a split, image by image."""

from __future__ import annotations

__all__ = ["measure", "test", "test_extras", "window_tests"]
