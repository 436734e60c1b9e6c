# SPDX-License-Identifier: Apache-2.0
"""Import only the modules of OpenMMLab that a model needs."""

from __future__ import annotations

__all__ = ["garbage", "light"]
