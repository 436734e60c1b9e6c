# SPDX-License-Identifier: Apache-2.0
"""Turn what a user typed into a config that can be built."""

from __future__ import annotations

__all__ = [
    "building",
    "data_folder",
    "data_roots",
    "evaluators",
    "options",
    "pretrained_url",
    "reading",
    "type_names",
    "values",
]
