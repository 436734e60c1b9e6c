# SPDX-License-Identifier: Apache-2.0
"""The rules that a plugin must hold, as data: each with an id, a stage and its cases."""

from __future__ import annotations

__all__ = [
    "asking",
    "finding",
    "guarding",
    "lookup",
    "project_version",
    "rule",
    "rules",
    "running",
    "subject",
]
