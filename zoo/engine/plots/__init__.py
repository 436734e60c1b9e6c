# SPDX-License-Identifier: Apache-2.0
"""Plot runs."""

from __future__ import annotations

__all__ = ["plot"]
