# SPDX-License-Identifier: Apache-2.0
"""From a name or a path to a parsed config; strangers' files are named before they run."""

from __future__ import annotations

__all__ = ["bases", "files", "own_configs", "strangers"]
