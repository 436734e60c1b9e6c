# SPDX-License-Identifier: Apache-2.0
"""The protocol of a hub such as huggingface.co, without network access."""

from __future__ import annotations

__all__ = ["answers", "endpoint", "refusals"]
