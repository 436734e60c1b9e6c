# SPDX-License-Identifier: Apache-2.0
"""Postprocess label maps: drop small parts, fill holes."""

from __future__ import annotations

__all__ = ["postprocess"]
