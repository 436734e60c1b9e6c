# SPDX-License-Identifier: Apache-2.0
"""Change steps of a list that a config inherits: ``train_pipeline = dict(_edit_=True, ...)``.

mmengine lays a dict over a dict, and refuses one over a list. An edit is a dict that says which
steps of the list change; steps are called by their types. What is left of the list stays in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from zoo.errors import ConfigError
from zoo.names import hint_near, near_names
from zoo.texts import shown

__all__ = ["EDIT", "LayOver", "edited"]

EDIT = "_edit_"
"""The key that makes a dict an edit, beside mmengine's ``_delete_``."""

LayOver: TypeAlias = "Callable[[Mapping[str, Any], Mapping[str, Any], str], Mapping[str, Any]]"
"""Lays a dict over another; the text is the place, for messages."""

_BEFORE, _AFTER, _DELETE = "_before_", "_after_", "_delete_"


def edited(
    steps: Sequence[Any], edit: Mapping[str, Any], place: str, lay_over: LayOver
) -> list[Any]:
    """Return a list with some of its steps changed, removed, replaced or surrounded by others.

    Every name means a step of the list as it was, so that the order of the names does not matter.

    Args:
        steps: The inherited list, of dicts with a ``type``; it is not changed.
        edit: ``_edit_`` and, by the type of a step (the whole type or its last part), a dict that
            is laid over the step (with ``_delete_``, in its place), None to remove it, or a list
            of steps in its place. ``_before_`` and ``_after_``, a step or a list of steps, in such
            a dict surround the step, and beside ``_edit_`` the whole list.
        place: Dotted key of the list, for messages.
        lay_over: Merges the keys of a step.

    Returns:
        The new list.

    Raises:
        ConfigError: No step or more than one has that type, or a change is not in that form.

    Example:
        >>> merge = lambda new, old, _: {**old, **new}
        >>> edited([{"type": "Load"}, {"type": "Flip"}], {"_edit_": True, "Flip": None}, "p", merge)
        [{'type': 'Load'}]
    """
    if edit.get(EDIT) is not True:
        key = f"{place}.{EDIT}"
        raise _wrong(key, edit.get(EDIT), "True")
    changes: dict[int, list[Any]] = {}
    for name, change in edit.items():
        if name in (EDIT, _BEFORE, _AFTER):
            continue
        index = _find(steps, str(name), place)
        if index in changes:
            message = f"cannot edit {place}: two names mean its step {_type_of(steps[index])!r}."
            hint = f"state {name!r} once."
            raise ConfigError(message, where=place, hint=hint)
        changes[index] = _changed(steps[index], change, f"{place}.{name}", lay_over)
    kept = [changes.get(index, [step]) for index, step in enumerate(steps)]
    middle = [step for group in kept for step in group]
    return [*_steps(edit, _BEFORE, place), *middle, *_steps(edit, _AFTER, place)]


def _changed(step: Any, change: Any, place: str, lay_over: LayOver) -> list[Any]:
    """Return what stands in the place of one step."""
    if change is None:
        return []
    if isinstance(change, (list, tuple)):
        return [_checked(each, f"{place}.{index}") for index, each in enumerate(change)]
    if not isinstance(change, Mapping):
        raise _wrong(place, change, "a dict of its keys, a list of steps, or None to remove it")
    rest = {key: value for key, value in change.items() if key not in (_BEFORE, _AFTER)}
    if rest.pop(_DELETE, False):
        new: Any = lay_over(_checked(rest, place), {}, place)
    else:
        new = lay_over(rest, step, place) if rest else step
    return [*_steps(change, _BEFORE, place), new, *_steps(change, _AFTER, place)]


def _steps(change: Mapping[str, Any], key: str, place: str) -> list[Any]:
    """Return the steps to insert: a step alone counts as a list of one."""
    value = change.get(key, [])
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    return [_checked(each, f"{place}.{key}.{index}") for index, each in enumerate(listed)]


def _checked(step: Any, place: str) -> Any:
    if not (isinstance(step, Mapping) and step.get("type")):
        raise _wrong(place, step, "a step: a dict with a type")
    return step


def _find(steps: Sequence[Any], name: str, place: str) -> int:
    types = [_type_of(step) for step in steps]
    found = [index for index, kind in enumerate(types) if kind and _is_called(kind, name)]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"cannot edit {place}: {len(found)} of its steps have the type {name!r}."
        hint = "give the whole list, as it shall be."
    else:
        there = [kind for kind in types if kind]
        message = f"cannot edit {place}: none of its steps has the type {name!r}."
        near = near_names(name, there) or near_names(name, [_last(kind) for kind in there])
        listed = f"its steps are {', '.join(there)}." if there else "it has no steps with a type."
        hint = hint_near(near, listed)
    raise ConfigError(message, where=place, hint=hint)


def _is_called(kind: str, name: str) -> bool:
    return kind == name or kind.endswith(f".{name}")


def _type_of(step: Any) -> str:
    kind = step.get("type") if isinstance(step, Mapping) else None
    return kind if isinstance(kind, str) else getattr(kind, "__name__", "")


def _last(kind: str) -> str:
    return kind.rpartition(".")[2]


def _wrong(place: str, value: Any, expected: str) -> ConfigError:
    message = f"cannot edit the list: {place} is {shown(value)}, expected {expected}."
    return ConfigError(message, where=place, hint=f"correct {place}.")
