# SPDX-License-Identifier: Apache-2.0
"""The checks of ``zoo doctor``: one module per subject, each yields findings."""

from __future__ import annotations

__all__ = [
    "devices",
    "distributions",
    "environment",
    "finding",
    "machine",
    "mending",
    "packages",
    "plugin_faults",
    "plugins",
    "probing",
    "settings",
    "threads",
]
