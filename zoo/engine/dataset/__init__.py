# SPDX-License-Identifier: Apache-2.0
"""What a run's data is: its classes, its digests, and what it was trained on before."""

from __future__ import annotations

__all__ = ["class_check", "class_order", "facts", "history", "instance_labels"]
