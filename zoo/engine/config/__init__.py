# SPDX-License-Identifier: Apache-2.0
"""Turn what a user typed into a config that can be built."""

from __future__ import annotations

__all__ = [
    "building",
    "data_folder",
    "data_roots",
    "evaluators",
    "options",
    "parts",
    "pretrained_url",
    "reading",
    "tree",
    "type_names",
    "values",
    "worker_errors",
]
