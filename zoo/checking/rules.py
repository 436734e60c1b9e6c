# SPDX-License-Identifier: Apache-2.0
"""Every rule of ``zoo plugin check``, in the order of their ids."""

from __future__ import annotations

from zoo.checking.configs.rules import RULES as CONFIG_RULES
from zoo.checking.distributions.rules import RULES as BUILD_RULES
from zoo.checking.dynamic.rules import dynamic_rules
from zoo.checking.rule import STAGES, Rule
from zoo.checking.static.rules import static_rules

__all__ = ["all_rules"]


def all_rules() -> tuple[Rule, ...]:
    """Return every rule, by stage and id."""
    rules = [*static_rules(), *dynamic_rules(), *CONFIG_RULES, *BUILD_RULES]
    return tuple(sorted(rules, key=lambda rule: (STAGES.index(rule.stage), rule.id)))
