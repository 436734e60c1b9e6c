# SPDX-License-Identifier: Apache-2.0
"""Threads: the CPUs that this process may use, and how many threads libraries start on them."""

from __future__ import annotations

__all__ = ["cgroups", "cores", "defaults", "telling", "workers"]
