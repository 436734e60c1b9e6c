# SPDX-License-Identifier: Apache-2.0
"""From a run to one file, its card and its row."""

from __future__ import annotations

__all__ = ["metrics", "publish"]
