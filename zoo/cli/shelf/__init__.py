# SPDX-License-Identifier: Apache-2.0
"""Commands around the shelf of weights: sources of third parties, and the search over them."""

from __future__ import annotations

__all__ = ["publish_source", "source_rows"]
