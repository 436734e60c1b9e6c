# SPDX-License-Identifier: Apache-2.0
"""The version of zoo, for what lies below the package's face."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
