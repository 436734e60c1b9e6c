# SPDX-License-Identifier: Apache-2.0
"""The prepared folder: its content, how to read, check and show it."""

from __future__ import annotations

__all__ = [
    "check",
    "check_instances",
    "contact_sheet",
    "dataset_json",
    "exact_splits",
    "identity",
    "plan",
    "prepared",
    "spacing",
    "splits",
]
