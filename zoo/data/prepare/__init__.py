# SPDX-License-Identifier: Apache-2.0
"""Convert a source to a prepared folder."""

from __future__ import annotations

__all__ = ["instance", "instances", "pair", "semantic"]
