# SPDX-License-Identifier: Apache-2.0
"""The precision in which a step of the optimizer computes."""

from __future__ import annotations

__all__ = ["accuracy", "compiling", "precision"]
