# SPDX-License-Identifier: Apache-2.0
"""Fetch and verify one file from the first address that has it."""

from __future__ import annotations

__all__ = [
    "addresses",
    "all_tries",
    "answers",
    "asking",
    "host_statements",
    "judging",
    "local_files",
    "session",
    "setbacks",
    "sources",
    "waiting",
]
