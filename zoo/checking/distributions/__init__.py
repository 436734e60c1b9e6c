# SPDX-License-Identifier: Apache-2.0
"""A plugin's wheel and sdist: built, and compared with its manifest."""

from __future__ import annotations

__all__ = ["building", "comparing", "rules"]
