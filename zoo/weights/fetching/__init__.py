# SPDX-License-Identifier: Apache-2.0
"""Fetch and verify one file from the first address that has it."""

from __future__ import annotations

__all__ = ["addresses", "all_tries", "host_statements", "judging", "setbacks", "sources"]
