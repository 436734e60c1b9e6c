# SPDX-License-Identifier: Apache-2.0
"""Prepare the merge of a config over its bases: zoo's own ``_data_`` and ``_edit_`` are resolved.

What remains is a config and a base as mmengine merges them.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from zoo.engine.config_files.data_key import DATA, bind_data_set
from zoo.engine.config_files.list_edits import EDIT, edited
from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.errors import ConfigError
from zoo.names import hint_near, near_names
from zoo.texts import shown

__all__ = ["check_resolved", "prepare"]

_DELETE = "_delete_"
_ABSENT = object()
_PIPELINES = ("train_pipeline", "val_pipeline", "test_pipeline")
_LOG = logging.getLogger("zoo")
_SHOW = "`zoo config show` prints a base with all its lists."
_Merge = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def prepare(
    child: Mapping[str, Any], base: dict[str, Any], merge: _Merge
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a config and its merged bases, ready to be merged by mmengine.

    ``_data_`` is bound in the base, so that what the config itself states has precedence. Edits are
    replaced by the lists that they make of the base's. An edit of a variable (a list at the top,
    such as ``train_pipeline``) also changes every equal list of the base: those that share it.

    Args:
        child: What the config's own file says.
        base: Its bases, merged.
        merge: mmengine's merge of one dict over another.

    Raises:
        UnknownNameError: ``_data_`` names no data set of a plugin.
        ConfigError: A list has no such step, a dict stands where the base has something else, or an
            edit stands where it has no list.
    """
    plain = {key: value for key, value in child.items() if key != DATA}
    if DATA in child:
        base = copy.deepcopy(base)
        bind_data_set(base, child[DATA])
    helpers = [key for key, value in plain.items() if key not in base and _is_helper(key, value)]
    for key in helpers:
        del plain[key]
    variables = {key: base[key] for key in plain if _is_edit(plain[key]) and key in base}
    _check_apart(variables)
    resolved = _resolved(plain, base, "", merge)
    shared = [
        _Shared(key, _unscoped(old), partial(_resolved, plain[key], place=key, merge=merge))
        for key, old in variables.items()
    ]
    if shared:
        base = _exchanged(base, shared)
    for each in shared:
        each.tell_if_alone(plain)
    return resolved, base


def check_resolved(config: Mapping[str, Any]) -> None:
    """Raise if a config still has ``_data_`` or ``_edit_``: it does not inherit by ``_base_``.

    Args:
        config: The whole config.

    Raises:
        ConfigError: Names the key.
    """
    left = [DATA] if DATA in config else []
    left += [join_key(key, EDIT) for key, node in iterate_dicts(config) if EDIT in node]
    for key in left:
        name = key.rpartition(".")[2]
        message = f"cannot use {key}: {name} changes what a config inherits by _base_."
        hint = "with `with read_base():`, change the imported lists and dicts in Python."
        raise ConfigError(message, where=key, hint=hint)


def _is_edit(value: Any) -> bool:
    return isinstance(value, Mapping) and EDIT in value


def _is_helper(key: str, value: Any) -> bool:
    """Return whether a variable only holds an edit for other lines of its file."""
    return key.startswith("_") and _is_edit(value)


def _resolved(value: Any, base: Any, place: str, merge: _Merge) -> Any:
    """Return a value of a config with every edit in it replaced by the list that it makes."""
    if type(value) in (list, tuple):
        items = (
            _resolved(each, _ABSENT, join_key(place, index), merge)
            for index, each in enumerate(value)
        )
        return type(value)(items)
    if not isinstance(value, dict):
        return value
    if EDIT in value:
        if not isinstance(base, (list, tuple)):
            raise _no_list(place, base)
        return edited(base, value, place, partial(_lay_over, merge=merge))
    is_new = base is _ABSENT or value.get(_DELETE)
    if not is_new and not isinstance(base, dict):
        raise _no_dict(place, base)
    inner = {} if is_new else base
    _check_names(value, inner, place)
    made = type(value)()
    for key, each in value.items():
        made[key] = _resolved(each, inner.get(key, _ABSENT), join_key(place, key), merge)
    return made


def _lay_over(
    new: Mapping[str, Any], old: Mapping[str, Any], place: str, *, merge: _Merge
) -> dict[str, Any]:
    """Merge the keys of one step, which may hold edits of its own lists."""
    # mmengine removes `_delete_` from what it merges.
    plain: dict[str, Any] = copy.deepcopy(_resolved(dict(new), dict(old), place, merge))
    return merge(plain, dict(old))


@dataclass
class _Shared:
    """An edited variable: its list, and the places of the base that have it, itself the first."""

    key: str
    old: list[Any]
    edit: Callable[[list[Any]], list[Any]]
    places: int = 0

    def is_it(self, node: list[Any]) -> bool:
        return len(node) == len(self.old) and _unscoped(node) == self.old

    def edited(self, node: list[Any]) -> list[Any]:
        self.places += 1
        return self.edit(node)

    def tell_if_alone(self, child: Mapping[str, Any]) -> None:
        """Warn of a pipeline that no loader shares: what reads it is not what was edited."""
        loader = f"{self.key.removesuffix('_pipeline')}_dataloader"
        if self.key in _PIPELINES and self.places == 1 and loader not in child:
            text = (
                "%s: no data loader has this pipeline, so that the edit changes the variable alone"
            )
            _LOG.warning(text, self.key)


def _exchanged(node: Any, shared: list[_Shared]) -> Any:
    """Return a part of the base in which every list of an edited variable is edited."""
    if isinstance(node, list):
        for each in shared:
            if each.is_it(node):
                return each.edited(node)
        return [_exchanged(each, shared) for each in node]
    if isinstance(node, tuple):
        return tuple(_exchanged(each, shared) for each in node)
    if isinstance(node, dict):
        made = copy.copy(node)
        made.update({key: _exchanged(value, shared) for key, value in node.items()})
        return made
    return node


def _unscoped(node: Any) -> Any:
    """Return a value without ``_scope_``, which mmengine adds to the outermost dicts of a base."""
    if isinstance(node, dict):
        return {key: _unscoped(value) for key, value in node.items() if key != "_scope_"}
    if isinstance(node, (list, tuple)):
        return type(node)(_unscoped(each) for each in node)
    return node


def _check_apart(variables: dict[str, Any]) -> None:
    """Raise for two edited variables that are one list: each would change the other."""
    for key, one in variables.items():
        for other, two in variables.items():
            if key < other and _unscoped(one) == _unscoped(two):
                message = f"cannot edit {key} and {other}: they are the same list in the bases."
                hint = f"edit {key} alone; {other} follows."
                raise ConfigError(message, where=f"{key}, {other}", hint=hint)


def _check_names(value: dict[str, Any], base: Mapping[str, Any], place: str) -> None:
    """Raise for an edit of a name that the base does not have, and offer those of its lists."""
    for key in value:
        if _is_edit(value[key]) and key not in base:
            lists = [str(name) for name in base if isinstance(base[name], list)]
            message = f"cannot edit {join_key(place, key)}: its bases do not have it."
            listed = f"their lists there are {', '.join(lists)}." if lists else _SHOW
            hint = hint_near(near_names(str(key), lists), listed)
            raise ConfigError(message, where=join_key(place, key), hint=hint)


def _no_list(place: str, base: Any) -> ConfigError:
    what = "no list to edit there" if base is _ABSENT else f"{shown(base)}, expected a list"
    message = f"cannot edit {place}: its bases have {what}."
    hint = _SHOW
    if isinstance(base, Mapping):
        hint = f"remove {EDIT} from {place}: without it, a dict is laid over the inherited one, "
        hint += "which `zoo config show` prints."
    return ConfigError(message, where=place, hint=hint)


def _no_dict(place: str, base: Any) -> ConfigError:
    kind = "a list" if isinstance(base, (list, tuple)) else shown(base)
    message = f"cannot lay a dict over {place}, which is {kind} in its bases."
    hint = f"add _delete_=True to {place}, to replace what the bases have."
    if isinstance(base, (list, tuple)):
        hint = f"write {place} as a list, or add _edit_=True, to change steps of the inherited one."
    return ConfigError(message, where=place, hint=hint)
