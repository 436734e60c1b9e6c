# SPDX-License-Identifier: Apache-2.0
"""The prepared folder: what is in it, read back, checked and shown."""

from __future__ import annotations

__all__: list[str] = []
