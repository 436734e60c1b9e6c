# SPDX-License-Identifier: Apache-2.0
"""The rules that run a plugin, module by module."""

from __future__ import annotations

from zoo.checking.dynamic import imports, kinds, numbers, weights
from zoo.checking.rule import Rule

__all__ = ["dynamic_rules"]


def dynamic_rules() -> list[Rule]:
    """Return every rule that imports a plugin or calls its code."""
    return [*imports.RULES, *kinds.RULES, *weights.RULES, *numbers.RULES]
