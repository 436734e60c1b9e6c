# SPDX-License-Identifier: Apache-2.0
"""Train on mmengine's Runner."""

from __future__ import annotations

__all__ = ["options", "progress", "quiet", "report", "runner", "train", "training"]
