# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin``: plugins listed, described, checked, built and found."""

from __future__ import annotations

__all__: list[str] = []
