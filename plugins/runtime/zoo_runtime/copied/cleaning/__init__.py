# SPDX-License-Identifier: Apache-2.0
"""Label maps after prediction: parts dropped, holes filled."""

from __future__ import annotations

__all__ = ["parts", "postprocess"]
