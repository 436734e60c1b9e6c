# SPDX-License-Identifier: Apache-2.0
"""A run stops at any moment and continues as if it had not."""

from __future__ import annotations

__all__ = [
    "interrupts",
    "partial_start",
    "place",
    "safe_loading",
    "safe_saving",
    "schedules",
    "shielding",
]
