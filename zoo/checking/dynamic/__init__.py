# SPDX-License-Identifier: Apache-2.0
"""Rules that import a plugin and call what its rows name."""

from __future__ import annotations

__all__ = ["author", "findings", "rules"]
