# SPDX-License-Identifier: Apache-2.0
"""Read and check COCO JSON, and convert its masks to pixels."""

from __future__ import annotations

__all__ = ["masks", "reading", "runs"]
