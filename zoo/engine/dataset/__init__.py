# SPDX-License-Identifier: Apache-2.0
"""The data of a run: its classes, its digests, and what the model was trained on before."""

from __future__ import annotations

__all__ = [
    "changed_files",
    "class_check",
    "class_order",
    "facts",
    "history",
    "instance_labels",
    "origins",
]
