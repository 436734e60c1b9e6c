# SPDX-License-Identifier: Apache-2.0
"""Several processes of one run: how they meet, join, tell of a failure once, and log one loss."""

from __future__ import annotations

__all__ = [
    "joining",
    "launched",
    "mean_losses",
    "meeting",
    "same_buffers",
    "shared_states",
    "sockets",
    "telling",
]
