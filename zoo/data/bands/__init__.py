# SPDX-License-Identifier: Apache-2.0
"""Images of any number of bands as they are stored: chosen by name, read, counted and shown."""

from __future__ import annotations

__all__ = ["counting", "reading", "showing", "table"]
