# SPDX-License-Identifier: Apache-2.0
"""Compare a migrated config with the installed mmseg and mmdet: every type, every argument.

Nothing is built. A type that no registry knows, or an argument that its class does not take, is
noted as lost: it was the old generation's, or is a class of the user's own.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo_openmmlab_migration.ledger import Ledger

__all__ = ["check_values"]

_REGISTRIES = (
    *("MODELS", "TASK_UTILS", "TRANSFORMS", "DATASETS", "METRICS", "EVALUATOR", "HOOKS", "LOOPS"),
    *("OPTIM_WRAPPERS", "OPTIM_WRAPPER_CONSTRUCTORS", "OPTIMIZERS", "PARAM_SCHEDULERS"),
    *("DATA_SAMPLERS", "VISUALIZERS", "VISBACKENDS", "LOG_PROCESSORS", "WEIGHT_INITIALIZERS"),
)
# Built by functions that take some arguments for themselves.
_OPEN = frozenset(
    {
        *("norm_cfg", "act_cfg", "conv_cfg", "upsample_cfg", "plugins", "dropout_layer"),
        *(
            "init_cfg",
            "cfg",
            "order",
            "ema_type",
            "vis_backends",
            "paramwise_cfg",
            "nms",
            "custom_hooks",
        ),
        *("dcn", "override", "downsample_cfg", "optimizer", "optim_wrapper", "roi_layer"),
    }
)
# Taken out before the class is built: by heads of mmdet, and by mmengine's builders.
_TAKEN = frozenset({"type", "_scope_", "priority", "bg_cls_weight", "convert_to_iter_based"})
_PLUGIN_SCOPES = ("zoo.", "mmpretrain.", "mmcls.", "mmyolo.", "mmrotate.")
_SCOPED = ("mmengine.", "mmcv.", "mmseg.", "mmdet.")


def check_values(family: str, values: Mapping[str, Any], ledger: Ledger) -> None:
    """Note every type and argument that the installed classes do not know.

    Args:
        family: ``mmseg`` or ``mmdet``.
        values: The migrated config.
        ledger: Receives what is found.
    """
    known = _known_types(family)
    for place, key, part in _parts(values, "", ""):
        kind = part["type"]
        if not isinstance(kind, str) or key in ("nms", "nms_cfg", "roi_layer") or kind.islower():
            continue
        name = kind
        for scope in _SCOPED:
            name = name.removeprefix(scope)
        if kind.startswith(_PLUGIN_SCOPES):
            continue
        found = known.get(name)
        if found is None:
            _lose_type(ledger, place, kind, family, known)
        elif key not in _OPEN:
            _check_arguments(ledger, place, found, part, family)


def _lose_type(
    ledger: Ledger, place: str, kind: str, family: str, known: Mapping[str, Any]
) -> None:
    near = difflib.get_close_matches(kind, known, 3)
    hint = f"is it {' or '.join(near)}? " if near else ""
    hint += "If it is a class of your own, port it and name its module in custom_imports."
    why = f"{family} of the new generation has no type {kind!r}"
    ledger.lose(f"{place}.type", why, hint[0].upper() + hint[1:])


def _check_arguments(
    ledger: Ledger, place: str, found: Any, part: Mapping[str, Any], family: str
) -> None:
    taken = _arguments(found)
    if taken is None:
        return
    for name in part:
        if name not in _TAKEN and name not in taken:
            near = difflib.get_close_matches(str(name), taken, 1)
            hint = f"is it {near[0]!r}? Otherwise remove it." if near else "remove it."
            why = f"{part['type']} of the new {family} takes no such argument"
            ledger.lose(f"{place}.{name}", why, hint[0].upper() + hint[1:])


def _parts(value: Any, place: str, key: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield every dict with a type: its place, the name under which it stands, and itself."""
    if isinstance(value, Mapping):
        if "type" in value:
            yield place, key, value
            if value["type"] == "Albu":
                return  # its steps are those of albumentations
        for name, item in value.items():
            yield from _parts(item, f"{place}.{name}" if place else str(name), str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from _parts(item, f"{place}[{number}]", key)


@functools.cache
def _known_types(family: str) -> dict[str, Any]:
    """Return what the registries of a family and of mmengine hold, by name."""
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"{family}.utils").register_all_modules(init_default_scope=False)
        importlib.import_module(f"{family}.visualization")
        if family == "mmseg":
            importlib.import_module("mmdet.models")
    roots = importlib.import_module("mmengine.registry")
    own = importlib.import_module(f"{family}.registry")
    known: dict[str, Any] = {}
    for name in _REGISTRIES:
        for registry in (getattr(roots, name, None), getattr(own, name, None)):
            known |= {} if registry is None else registry.module_dict
    return known


@functools.cache
def _arguments(found: Any) -> frozenset[str] | None:
    """Return the names that a class takes, or None if it takes any."""
    if not inspect.isclass(found):
        return None
    names: set[str] = set()
    for each in found.__mro__:
        initializer = each.__dict__.get("__init__")
        if initializer is None or each is object:
            continue
        try:
            parameters = inspect.signature(initializer).parameters.values()
        except (TypeError, ValueError):
            return None
        names |= {parameter.name for parameter in parameters}
        is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        if is_open and each.__module__.startswith(("mmcv.transforms", "torch")):
            return None  # it hands them to another class
        if not is_open and not _has_several_bases(found):
            break
    return frozenset(names)


def _has_several_bases(found: type) -> bool:
    """Return whether a class may hand its arguments past its first base."""
    return any(len(each.__bases__) > 1 for each in found.__mro__[:3])
