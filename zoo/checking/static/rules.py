# SPDX-License-Identifier: Apache-2.0
"""The static rules, module by module."""

from __future__ import annotations

from zoo.checking.rule import Rule
from zoo.checking.static import (
    collisions,
    configs,
    distribution,
    identity,
    manifest,
    packaging,
    requirements,
    targets,
    types,
    weights,
)

__all__ = ["static_rules"]

_MODULES = (
    *(manifest, targets, collisions),
    *(distribution, identity, requirements, packaging),
    *(configs, types, weights),
)


def static_rules() -> list[Rule]:
    """Return every static rule."""
    return [rule for module in _MODULES for rule in module.RULES]
