# SPDX-License-Identifier: Apache-2.0
"""The static rules, module by module."""

from __future__ import annotations

from zoo.checking.rule import Rule
from zoo.checking.static import manifest

__all__ = ["static_rules"]


def static_rules() -> list[Rule]:
    """Return every static rule."""
    return [*manifest.RULES]
