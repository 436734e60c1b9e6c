# SPDX-License-Identifier: Apache-2.0
"""Pictures as arrays."""

from __future__ import annotations

__all__ = ["arrays", "depth", "drawing", "given", "legend", "picture", "pixels", "turning"]
