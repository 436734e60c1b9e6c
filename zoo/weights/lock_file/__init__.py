# SPDX-License-Identifier: Apache-2.0
"""The file ``zoo.lock``: read within limits, and rewritten whole by one process at a time."""

from __future__ import annotations

__all__ = ["document", "rows", "team"]
