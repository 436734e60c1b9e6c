# SPDX-License-Identifier: Apache-2.0
"""Predict many images and write files for people and programs."""

from __future__ import annotations

__all__ = ["described", "geojson", "predict", "spread"]
