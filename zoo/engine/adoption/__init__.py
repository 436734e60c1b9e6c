# SPDX-License-Identifier: Apache-2.0
"""Weights by name, from wherever they are: fetched, judged, converted once, pinned, rescued."""

from __future__ import annotations

__all__ = ["adopting", "converters", "model_record", "obtaining", "rescue", "skeleton"]
