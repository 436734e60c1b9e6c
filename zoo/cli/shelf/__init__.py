# SPDX-License-Identifier: Apache-2.0
"""Commands around the shelf of weights: sources, the search over them, and a team's lock."""

from __future__ import annotations

__all__ = ["publish_into", "publish_run", "publish_source", "source_rows"]
