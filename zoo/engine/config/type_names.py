# SPDX-License-Identifier: Apache-2.0
"""Find the types that a config names and no registry has, before anything is built.

mmengine builds part by part, so a typo in a hook only shows after the data was read, as a KeyError
that names neither the place nor the intended type.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import LoadError, UnknownNameError, ZooError
from zoo.names import hint_near, near_names

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry

__all__ = ["check_type_names", "find_type", "is_evaluator", "unknown_type"]

_EVALUATOR = r"(val|test)_evaluator"
# (dotted key without the indices of lists, root registry): the first row that fits counts. What
# fits none is left to its builder: not every dict with a type comes from a registry.
_PLACES = tuple(
    (re.compile(pattern), registry)
    for pattern, registry in (
        (r"(train|val|test)_cfg", "LOOPS"),
        (r"(default_hooks\.\w+|custom_hooks)", "HOOKS"),
        (_EVALUATOR, "EVALUATOR"),
        (r"(val|test)_evaluator(\.metrics)?", "METRICS"),
        (r"optim_wrapper", "OPTIM_WRAPPERS"),
        (r"optim_wrapper\.optimizer", "OPTIMIZERS"),
        (r"param_scheduler", "PARAM_SCHEDULERS"),
        (r"log_processor", "LOG_PROCESSORS"),
        (r"visualizer", "VISUALIZERS"),
        (r"visualizer\.vis_backends", "VISBACKENDS"),
        (r"\w+_dataloader\.(dataset|datasets|\.)+", "DATASETS"),
        (r"\w+_dataloader\..*(pipeline|transforms)", "TRANSFORMS"),
        (r"\w+_dataloader\.(batch_)?sampler", "DATA_SAMPLERS"),
        (r"\w+_dataloader\.collate_fn", "FUNCTIONS"),
        (r"model\..*\binit_cfg", "WEIGHT_INITIALIZERS"),
        (r"model\..*\b(assigner|sampler|bbox_coder|anchor_generator)", "TASK_UTILS"),
        (r"model", "MODELS"),
        (
            r"model\.(.*\.)?(backbone|neck|\w+_head|loss(_\w+)?|data_preprocessor"
            r"|(norm|act|conv|upsample)_cfg)",
            "MODELS",
        ),
    )
)
_KINDS = {
    "DATASETS": "dataset",
    "DATA_SAMPLERS": "sampler",
    "EVALUATOR": "evaluator",
    "FUNCTIONS": "function",
    "HOOKS": "hook",
    "LOG_PROCESSORS": "log processor",
    "LOOPS": "loop",
    "METRICS": "metric",
    "MODELS": "model",
    "OPTIMIZERS": "optimizer",
    "OPTIM_WRAPPERS": "optim wrapper",
    "PARAM_SCHEDULERS": "param scheduler",
    "TASK_UTILS": "task util",
    "TRANSFORMS": "transform",
    "VISBACKENDS": "vis backend",
    "VISUALIZERS": "visualizer",
    "WEIGHT_INITIALIZERS": "weight initializer",
}
# Wrappers around other libraries, whose inner types belong to those libraries.
_FOREIGN = ("Albu", "Albumentations")


def check_type_names(config: Config, *, part: str = "") -> None:
    """Raise for the first type in a config that is not available.

    Looks at data sets, pipelines, samplers, the model with its parts, losses, hooks, loops,
    metrics, optimizers, schedulers and visualizers. A name that another registry has is left
    alone. Loads the plugins that are named, and no others.

    Args:
        config: As `read_config` returns it.
        part: The key of the only part to check, such as ``model``; empty for all.

    Raises:
        UnknownNameError: With near names, and the dotted key.
        LoadError: The type exists, and importing it fails.
    """
    for key, name, registry, scope in _named_types(config):
        if part and not key.startswith(f"{part}."):
            continue
        try:
            is_known = _has(registry, scope, name)
        except ZooError as error:
            error.where = error.where or key
            raise
        if is_known or any(_has(other, scope, name) for other in _KINDS if other != registry):
            continue
        _check_package(name, key)
        raise _unknown(name, registry, scope, key)


def unknown_type(config: Config, name: str, registry: str) -> UnknownNameError:
    """Return the error for a type that a build did not find, with its key.

    Args:
        config: What was built.
        name: The type.
        registry: As mmengine's message has it, e.g. ``mmseg::model``.
    """
    scope, _, label = registry.rpartition("::")
    tree = config._cfg_dict
    keys = [key for key, node in iterate_dicts(tree) if node.get("type") == name]
    root = next((r for r in _KINDS if _root(r).name == label), "MODELS")
    return _unknown(name, root, scope or "mmengine", ", ".join(keys[:5]) or str(config.filename))


def _named_types(config: Config) -> Iterator[tuple[str, str, str, str]]:
    """Yield (dotted key, type, root registry, scope) of what is certainly built from a registry."""
    scopes = {"": str(config.get("default_scope") or "mmengine")}
    foreign: list[str] = []
    for key, node in iterate_dicts(config._cfg_dict):
        if "_scope_" in node:
            scopes[f"{key}."] = str(node["_scope_"])
        name = node.get("type")
        if not isinstance(name, str) or any(key.startswith(prefix) for prefix in foreign):
            continue
        if name.rpartition(".")[2] in _FOREIGN:
            foreign.append(f"{key}.")
        plain = re.sub(r"\.\d+(?=\.|$)", "", key)
        nearest = max((p for p in scopes if f"{key}.".startswith(p)), key=len)
        for pattern, registry in _PLACES:
            if pattern.pattern == _EVALUATOR and not is_evaluator(node, scopes[nearest]):
                continue
            if pattern.fullmatch(plain):
                yield f"{key}.type", name, registry, scopes[nearest]
                break


def _root(registry: str) -> Registry:
    from mmengine.registry import root

    return getattr(root, registry)


def _scoped(registry: str, scope: str) -> Registry:
    """Return the child of a root for a scope, or the root if the scope has none."""
    if scope != "mmengine" and importlib.util.find_spec(scope) is not None:
        importlib.import_module(f"{scope}.registry")
    root = _root(registry)
    return root.children.get(scope, root)


def find_type(registry: str, scope: str, name: str) -> Any:
    """Return the class or function that a config's type means, or None.

    Args:
        registry: Attribute of ``mmengine.registry``, such as ``"DATASETS"``.
        scope: The config's default scope.
        name: The type.

    Raises:
        UnknownNameError: The name is a plugin's (``zoo.``), and no plugin has it.
        LoadError: The plugin has it, and importing it fails.
    """
    if not name.strip():  # which mmengine takes for a module to import
        return None
    if name.startswith("zoo."):
        import zoo.registry

        child = _root(registry).children.get(zoo.registry.SCOPE)
        return None if child is None else child.get(name)
    return _scoped(registry, scope).get(name)


def is_evaluator(config: Mapping[str, Any], scope: str) -> bool:
    """Return whether a dict of ``val_evaluator`` means an evaluator rather than one metric.

    mmengine takes only a dict with ``metrics`` for an evaluator. One that brings its own metrics
    has no such key: its type, which no metric has, says what it is.

    Args:
        config: The dict.
        scope: The config's default scope.
    """
    name = config.get("type")
    if "metrics" in config or not isinstance(name, str):
        return "metrics" in config
    try:
        return find_type("EVALUATOR", scope, name) is not None and not _is_metric(scope, name)
    except UnknownNameError:
        return False


def _is_metric(scope: str, name: str) -> bool:
    try:
        return _has("METRICS", scope, name)
    except UnknownNameError:
        return False


def _has(registry: str, scope: str, name: str) -> bool:
    return find_type(registry, scope, name) is not None


def _check_package(name: str, key: str) -> None:
    """Raise the real error if a dotted type is not found because of its package."""
    module = name.rpartition(".")[0]
    package = module.partition(".")[0]
    if not package:
        return
    try:
        importlib.import_module(module)
    except ImportError as error:
        message = f"cannot load {name!r}: {type(error).__name__}: {error}."
        is_absent = importlib.util.find_spec(package) is None
        hint = f"pip install {package}" if is_absent else f"fix {module}"
        hint += ", or use another type."
        raise LoadError(message, target=name, where=key, hint=hint) from error


def _unknown(name: str, registry: str, scope: str, key: str) -> UnknownNameError:
    known: set[str] = set()
    level: Registry | None = _scoped(registry, scope)
    while level is not None:
        known |= set(level.module_dict)
        level = level.parent
    kind = "loss" if registry == "MODELS" and ".loss" in key else _KINDS[registry]
    near = near_names(name.rpartition(".")[2], known)
    message = f"no {kind} named {name!r} in the scope {scope!r}."
    hint = hint_near(near, "write types of plugins as zoo.<plugin>.<Name>.")
    return UnknownNameError(message, kind=kind, name=name, near=near, where=key, hint=hint)
