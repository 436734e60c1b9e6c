# SPDX-License-Identifier: Apache-2.0
"""Stop a run at any moment and resume it as if it had not stopped."""

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
