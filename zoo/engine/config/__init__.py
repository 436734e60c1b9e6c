# SPDX-License-Identifier: Apache-2.0
"""From what a user typed to a config that can be built."""

from __future__ import annotations

__all__: list[str] = []
