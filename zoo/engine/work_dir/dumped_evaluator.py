# SPDX-License-Identifier: Apache-2.0
"""What the metrics of a finished run mean, from the config that it has left; nothing is run."""

from __future__ import annotations

import ast
from typing import Any

from zoo.engine.dataset.facts import evaluator_text
from zoo.engine.metric_facts import NO_FACTS, MetricFacts, types_in

__all__ = ["facts_of_config"]

_MOST_CHARACTERS = 2**21  # of a config that is parsed; mmengine's dumps have some 10,000
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def facts_of_config(text: str) -> MetricFacts:
    """Return the facts of the metrics in ``val_evaluator``; no facts if it cannot be read.

    Args:
        text: A config as mmengine dumps it, with every base resolved.
    """
    if len(text) > _MOST_CHARACTERS:
        return NO_FACTS
    try:
        statements = [each for each in ast.parse(text).body if isinstance(each, ast.Assign)]
        found = [each.value for each in statements if _assigns(each, "val_evaluator")]
        types = types_in(evaluator_text(_plain(found[-1]))) if found else []
    except _UNPARSABLE:
        return NO_FACTS
    return MetricFacts.of_types(types)


def _assigns(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in statement.targets)


def _plain(node: ast.expr) -> Any:
    """Return the dicts, lists and constants that an expression writes; None for all else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_plain(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        return {_plain(k): _plain(v) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {each.arg: _plain(each.value) for each in node.keywords if each.arg}
    return None
