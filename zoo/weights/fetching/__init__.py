# SPDX-License-Identifier: Apache-2.0
"""One file from the first address that gives it, whole and verified."""

from __future__ import annotations

__all__ = ["addresses", "all_tries", "one_try", "session", "waiting"]
