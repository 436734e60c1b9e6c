# SPDX-License-Identifier: Apache-2.0
"""The config that a run has left, as plain values; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo.engine.dataset.facts import evaluator_text
from zoo.engine.metric_facts import MetricFacts, types_in

__all__ = ["facts_of_config", "read_values"]

_MOST_CHARACTERS = 2**21  # of a config that is parsed; mmengine's dumps have some 10,000
_DIRECTIONS = {"greater": "higher", "less": "lower"}
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def read_values(text: str) -> dict[str, Any]:
    """Return the plain values of a config: dicts, lists, texts and numbers; None for all else.

    Args:
        text: A config as mmengine dumps it, with every base resolved. It is not run; the result is
            empty if it cannot be parsed.
    """
    if len(text) > _MOST_CHARACTERS:
        return {}
    try:
        statements = [each for each in ast.parse(text).body if isinstance(each, ast.Assign)]
        return {
            target.id: _plain(each.value)
            for each in statements
            for target in each.targets
            if isinstance(target, ast.Name)
        }
    except _UNPARSABLE:
        return {}


def facts_of_config(values: Mapping[str, Any]) -> MetricFacts:
    """Return the facts of the metrics in ``val_evaluator``, and the rules of ``save_best``.

    Args:
        values: As `read_values` returns them.
    """
    facts = MetricFacts.of_types(types_in(evaluator_text(values.get("val_evaluator"))))
    return replace(facts, rules=_rules(values))


def _rules(values: Mapping[str, Any]) -> dict[str, str]:
    """Return value -> direction, by the hooks that keep a best checkpoint."""
    default, custom = values.get("default_hooks"), values.get("custom_hooks")
    hooks = [*default.values()] if isinstance(default, dict) else []
    hooks += custom if isinstance(custom, list) else []
    found: dict[str, str] = {}
    for hook in hooks:
        if not isinstance(hook, dict):
            continue
        names, rules = _listed(hook.get("save_best")), _listed(hook.get("rule"))
        # mmengine takes one rule for all values, or one for each.
        rules *= len(names) if len(rules) == 1 else 1
        for name, rule in zip(names, rules, strict=False):
            if isinstance(name, str) and isinstance(rule, str) and rule in _DIRECTIONS:
                found.setdefault(name, _DIRECTIONS[rule])
    return found


def _listed(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list) else [value]


def _plain(node: ast.expr) -> Any:
    """Return the dicts, lists and constants that an expression writes; None for all else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_plain(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(_plain(key)): _plain(value) for key, value in pairs if key is not None}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {each.arg: _plain(each.value) for each in node.keywords if each.arg}
    return None
