# SPDX-License-Identifier: Apache-2.0
"""Stop a run at any moment and resume it as if it had not stopped."""

from __future__ import annotations

__all__ = [
    "gradients",
    "interrupts",
    "partial_start",
    "place",
    "safe_loading",
    "safe_saving",
    "same_run",
    "schedules",
    "shielding",
]
