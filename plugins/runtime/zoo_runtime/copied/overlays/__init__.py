# SPDX-License-Identifier: Apache-2.0
"""Labels and instances drawn over their picture."""

from __future__ import annotations

__all__ = ["areas", "instances", "labels", "palette", "places", "style"]
