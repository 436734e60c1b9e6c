# SPDX-License-Identifier: Apache-2.0
"""Manifests: where they lie, what they may say, and the rows that they become."""

from __future__ import annotations

__all__ = [
    "discovery",
    "kinds",
    "lookups",
    "parameters",
    "reading",
    "requirements",
    "row_reading",
    "rows",
    "table",
]
