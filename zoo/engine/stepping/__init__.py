# SPDX-License-Identifier: Apache-2.0
"""How a network computes a step: its precision, the order of its weights in memory."""

from __future__ import annotations

__all__ = ["accuracy", "compiling", "memory_format", "precision"]
