# SPDX-License-Identifier: Apache-2.0
"""Rules that read a plugin's files: nothing of it is imported, and no config runs."""

from __future__ import annotations

__all__ = ["cases", "rules", "targets"]
