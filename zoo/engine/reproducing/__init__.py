# SPDX-License-Identifier: Apache-2.0
"""The stated numbers of weights, measured again on the data that their plugin says."""

from __future__ import annotations

__all__ = ["comparing", "recipes", "reproduce"]
