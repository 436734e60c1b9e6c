# SPDX-License-Identifier: Apache-2.0
"""Of OpenMMLab, only the modules that a model needs."""

from __future__ import annotations

__all__ = ["garbage", "light"]
