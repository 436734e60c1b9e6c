# SPDX-License-Identifier: Apache-2.0
"""Find the classes that code registers with OpenMMLab, in its syntax tree."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Registered", "find_registered", "registry_of"]

# A registry -> the kind of a row. The second lines are registries of mmseg 0.x and mmdet 2.x.
_KINDS = {
    **dict.fromkeys(("BACKBONES", "HEADS", "NECKS", "SEGMENTORS", "DETECTORS"), "model"),
    **dict.fromkeys(("PIPELINES", "TRANSFORMS"), "transform"),
    **dict.fromkeys(("BBOX_ASSIGNERS", "BBOX_CODERS", "BBOX_SAMPLERS", "TASK_UTILS"), "task_util"),
    "MODELS": "model",
    "LOSSES": "loss",
    "DATASETS": "dataset",
    "HOOKS": "hook",
    "METRICS": "metric",
    "EVALUATOR": "evaluator",
    "DATA_SAMPLERS": "sampler",
    "LOOPS": "loop",
    "VISUALIZERS": "visualizer",
    "VISBACKENDS": "vis_backend",
    "OPTIMIZERS": "optimizer",
    "OPTIM_WRAPPERS": "optim_wrapper",
    "OPTIM_WRAPPER_CONSTRUCTORS": "optim_wrapper_constructor",
    "PARAM_SCHEDULERS": "param_scheduler",
    "MODEL_WRAPPERS": "model_wrapper",
    "WEIGHT_INITIALIZERS": "weight_initializer",
    "LOG_PROCESSORS": "log_processor",
    "RUNNERS": "runner",
    "FUNCTIONS": "function",
    "COLLATE_FUNCTIONS": "function",
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A class or function that code registers.

    Attributes:
        name: What configs call it.
        kind: Kind of its row in a manifest.
        node: Where it is defined.
        decorator: The decorator that registers it.
        problem: Why it can have no row, or empty.
    """

    name: str
    kind: str
    node: ast.ClassDef | ast.FunctionDef
    decorator: ast.expr
    problem: str = ""


def registry_of(decorator: ast.expr) -> str | None:
    """Return the registry of ``@MODELS.register_module()``, or None for any other expression.

    Args:
        decorator: The expression after the ``@``.
    """
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(function, ast.Attribute) or function.attr != "register_module":
        return None
    owner = function.value
    if isinstance(owner, ast.Attribute):
        return owner.attr
    return owner.id if isinstance(owner, ast.Name) else ""


def find_registered(tree: ast.Module) -> Iterator[Registered]:
    """Yield what a module registers, once for each name.

    Args:
        tree: Of the module.
    """
    top = set(tree.body)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            registry = registry_of(decorator)
            if registry is None:
                continue
            kind = _KINDS.get(registry, "")
            if kind == "model" and node.name.endswith("Loss"):
                kind = "loss"
            problem = "" if kind else f"{registry or 'its registry'} is none that zoo knows"
            if node not in top:
                problem = "it is not at the top of its module"
            for name in _names(decorator, node.name):
                yield _checked(Registered(name or node.name, kind, node, decorator, problem), name)


def _checked(found: Registered, name: str | None) -> Registered:
    problem = found.problem
    if name is None:
        problem = problem or "its name is computed"
    elif not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        problem = problem or f"{name!r:.60} is no name of Python"
    return Registered(found.name, found.kind, found.node, found.decorator, problem)


def _names(decorator: ast.expr, default: str) -> list[str | None]:
    """Return the names under which a decorator registers; None for one that is computed."""
    if not isinstance(decorator, ast.Call):
        return [default]
    given = next((each.value for each in decorator.keywords if each.arg == "name"), None)
    if given is None and decorator.args:
        given = decorator.args[0]
    if given is None or (isinstance(given, ast.Constant) and given.value is None):
        return [default]
    values = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
    return [
        each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else None
        for each in values
    ]
