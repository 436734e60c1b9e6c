# SPDX-License-Identifier: Apache-2.0
"""Choose the best checkpoint, and stop early, by the direction that a metric's manifest states.

mmengine knows the direction of a few names and refuses all others without ``rule``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from zoo.engine.dataset.facts import evaluator_text
from zoo.engine.metric_facts import MetricFacts, types_in

__all__ = ["set_rules"]

_LOG = logging.getLogger("zoo")
_RULES = {"higher": "greater", "lower": "less"}
# Key of a hook's config that names the value it looks at.
_KEYS = ("save_best", "monitor")


def set_rules(config: Any) -> None:
    """Set ``rule`` of the hooks that look at a value whose direction a manifest states.

    A rule in the config is kept; if it contradicts the manifest, a warning says so.

    Args:
        config: The whole config, changed in place.
    """
    facts = MetricFacts.of_types(types_in(evaluator_text(config.get("val_evaluator"))))
    for place, hook in _hooks(config):
        for key in _KEYS:
            wanted = _rule_for(facts, hook.get(key))
            if wanted is None:
                continue
            if hook.get("rule") is None:
                hook["rule"] = wanted
            elif hook["rule"] != wanted:
                message = "%s.rule is %r, but the plugin of %r states that %s is better"
                _LOG.warning(message, place, hook["rule"], hook[key], wanted)


def _hooks(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    named = [(f"default_hooks.{k}", v) for k, v in (config.get("default_hooks") or {}).items()]
    custom = [(f"custom_hooks.{n}", v) for n, v in enumerate(config.get("custom_hooks") or ())]
    yield from ((place, hook) for place, hook in (*named, *custom) if isinstance(hook, dict))


def _rule_for(facts: MetricFacts, names: Any) -> str | list[str] | None:
    if isinstance(names, (list, tuple)):
        if not any(_rule_for(facts, name) for name in names):
            return None
        # mmengine takes a rule for all of them, or for none.
        rules = [_RULES.get(facts.direction(str(name))) for name in names]
        return [rule for rule in rules if rule is not None] if all(rules) else None
    if not isinstance(names, str):
        return None
    found = facts.only_direction() if names == "auto" else facts.stated_direction(names)
    return _RULES.get(found or "")
