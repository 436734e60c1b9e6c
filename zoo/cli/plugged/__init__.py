# SPDX-License-Identifier: Apache-2.0
"""Commands that plugins offer: found by their manifests, imported when called, guarded."""

from __future__ import annotations

__all__ = ["core_commands", "offered", "plugged_group"]
