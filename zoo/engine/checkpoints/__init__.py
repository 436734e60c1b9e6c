# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: read files without running code, compare them with a model, and write them."""

from __future__ import annotations

__all__ = [
    "checkpoint",
    "classes",
    "convert",
    "fit",
    "kept",
    "pickles",
    "published",
    "size_limit",
    "source_file",
    "tensor_file",
]
