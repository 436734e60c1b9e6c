# SPDX-License-Identifier: Apache-2.0
"""What the rows of each kind must do: called as heads, loops, runners and loaders call them."""

from __future__ import annotations

__all__ = ["kit", "rows", "targets"]
