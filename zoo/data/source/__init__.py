# SPDX-License-Identifier: Apache-2.0
"""Raw data sets: open a folder or a zip, and pair images with masks."""

from __future__ import annotations

__all__ = ["endings", "pairing", "reading", "source", "spelling", "synthetic", "zip_check"]
