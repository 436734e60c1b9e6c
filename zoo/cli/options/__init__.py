# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

__all__ = [
    "completion",
    "metric_filter",
    "mm_options",
    "postprocess",
    "trust",
    "weights_entries",
    "weights_filters",
]
