# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

__all__ = [
    "completion",
    "filter_options",
    "index_options",
    "metric_filter",
    "mm_options",
    "postprocess",
    "trust",
    "weights_entries",
]
