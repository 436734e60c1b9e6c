# SPDX-License-Identifier: Apache-2.0
"""What a config consists of: its data sets, its heads and their classes, found and counted."""

from __future__ import annotations

__all__ = ["bands", "class_counts", "data_sets", "parts", "places", "tree"]
