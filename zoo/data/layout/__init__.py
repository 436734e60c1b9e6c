# SPDX-License-Identifier: Apache-2.0
"""The prepared folder: what is in it, read back, checked and shown."""

from __future__ import annotations

__all__ = [
    "check",
    "check_instances",
    "contact_sheet",
    "dataset_json",
    "plan",
    "prepared",
    "spacing",
    "splits",
]
