# SPDX-License-Identifier: Apache-2.0
"""Find a config by name or path and parse it; configs from outside are reported before they run."""

from __future__ import annotations

__all__ = ["files", "inheritance", "own_configs", "safe_yaml", "strangers", "written"]
