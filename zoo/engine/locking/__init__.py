# SPDX-License-Identifier: Apache-2.0
"""What a team shares in ``zoo.lock``: plugins, configs and weights, described and compared."""

from __future__ import annotations

__all__ = ["locking", "syncing"]
