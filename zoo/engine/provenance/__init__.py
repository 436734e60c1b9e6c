# SPDX-License-Identifier: Apache-2.0
"""Where a run came from: ``run.json`` in its work dir."""

from __future__ import annotations

__all__ = [
    "config_digest",
    "memory",
    "public_texts",
    "repository",
    "run_file",
    "session",
    "surroundings",
]
