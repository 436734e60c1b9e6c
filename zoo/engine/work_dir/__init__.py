# SPDX-License-Identifier: Apache-2.0
"""Read what a run leaves in its work dir."""

from __future__ import annotations

__all__ = ["dumped_config", "lock", "no_results", "run_facts", "scalars", "tested"]
