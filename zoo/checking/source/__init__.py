# SPDX-License-Identifier: Apache-2.0
"""What a plugin's files say, read without running them: lines of TOML, Python as a tree."""

from __future__ import annotations

__all__ = [
    "configs",
    "definitions",
    "imports",
    "places",
    "project",
    "python",
    "requirements",
    "signatures",
    "upstream",
    "wheel_files",
]
