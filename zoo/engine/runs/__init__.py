# SPDX-License-Identifier: Apache-2.0
"""Train on mmengine's Runner."""

from __future__ import annotations

__all__ = ["progress", "report", "runner", "training"]
