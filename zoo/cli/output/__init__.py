# SPDX-License-Identifier: Apache-2.0
"""What commands print, and how they end."""

from __future__ import annotations

__all__ = [
    "collecting",
    "errors",
    "groups",
    "next_command",
    "printing",
    "progress",
    "streams",
    "tables",
    "weights_card",
]
