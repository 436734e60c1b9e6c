# SPDX-License-Identifier: Apache-2.0
"""Weights that third parties list in signed indexes: added by users, kept, looked up by scope."""

from __future__ import annotations

__all__ = [
    "book",
    "choosing",
    "contents",
    "index",
    "lookup",
    "plugin_listings",
    "published_files",
    "publishing",
    "signing",
    "updating",
]
