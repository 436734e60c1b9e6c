# SPDX-License-Identifier: Apache-2.0
"""Runs as pictures."""

from __future__ import annotations

__all__ = ["plot"]
