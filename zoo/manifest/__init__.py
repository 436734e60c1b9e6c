# SPDX-License-Identifier: Apache-2.0
"""Plugin manifests: discovery, rules and rows."""

from __future__ import annotations

__all__ = [
    "addresses",
    "discovery",
    "kinds",
    "legacy_rows",
    "lookups",
    "parameters",
    "reading",
    "requirements",
    "rows",
    "shelf",
    "survey",
    "table",
    "weights_reading",
    "weights_rows",
]
