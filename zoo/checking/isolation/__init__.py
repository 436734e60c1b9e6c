# SPDX-License-Identifier: Apache-2.0
"""Rules that run a plugin's code, each case in a process of its own, a few at a time."""

from __future__ import annotations

__all__ = ["allowance", "bench", "preloaded"]
