# SPDX-License-Identifier: Apache-2.0
"""Records of published models: what they may name, and what they may cost."""

from __future__ import annotations

__all__ = ["budget", "checks", "confining", "exported_values", "record"]
