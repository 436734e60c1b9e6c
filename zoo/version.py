# SPDX-License-Identifier: Apache-2.0
"""The version of zoo, for internal modules."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
