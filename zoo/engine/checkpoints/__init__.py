# SPDX-License-Identifier: Apache-2.0
"""Weights as values: files read without running code, compared with a model, written."""

from __future__ import annotations

__all__ = ["checkpoint", "classes", "convert", "fit", "kept", "pickles", "published", "size_limit"]
