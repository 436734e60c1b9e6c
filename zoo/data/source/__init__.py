# SPDX-License-Identifier: Apache-2.0
"""A data set as its owner keeps it: a folder or a zip, opened and paired."""

from __future__ import annotations

__all__ = ["endings", "pairing", "reading", "source", "spelling", "synthetic", "zip_check"]
