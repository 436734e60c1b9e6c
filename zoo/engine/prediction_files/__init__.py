# SPDX-License-Identifier: Apache-2.0
"""A model and many images: files for people and programs."""

from __future__ import annotations

__all__ = ["predict"]
