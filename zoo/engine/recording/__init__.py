# SPDX-License-Identifier: Apache-2.0
"""What a run tells of itself while it trains: ``run.json``, and trackers."""

from __future__ import annotations

__all__ = ["provenance_file", "trackers"]
