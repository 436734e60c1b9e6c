# SPDX-License-Identifier: Apache-2.0
"""Configs on the sample of a data set: read, built, and run for a step of each kind."""

from __future__ import annotations

__all__ = ["rules"]
