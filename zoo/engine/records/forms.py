# SPDX-License-Identifier: Apache-2.0
"""Check that every type of a record is on the positive list, with parameters of allowed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from zoo.engine.records.types import ListedType, find_listed_type
from zoo.errors import CheckpointError, ManifestError, UnknownNameError, UnsafeCheckpointError
from zoo.manifest.lookups import hint_installing
from zoo.manifest.parameters import Form, Misfit, find_misfits
from zoo.manifest.rows import Contribution

if TYPE_CHECKING:
    from zoo.catalog import Found

__all__ = ["HINT", "check_forms", "is_registered_in"]

HINT = "do not use an untrusted file; open your own run as CONFIG,CHECKPOINT."
_SCOPES = ("mmengine", "mmseg", "mmdet")
_REGISTRIES = {"model": ("MODELS", "TASK_UTILS"), "pipeline": ("TRANSFORMS",)}
_ROOTS = {"model": Form(families=("models",)), "pipeline": Form(families=("transforms",))}
# For a plugin's type whose manifest states no parameters: numbers, and no text at all.
_LARGEST, _MOST = 65536, 1024


def check_forms(node: Any, root: str, key: str, scope: str, where: str | Path) -> None:
    """Raise for the first type or parameter that is not on the list.

    Args:
        node: The model, or one step of the pipeline.
        root: ``model`` or ``pipeline``.
        key: The dotted key of ``node``.
        scope: The record's scope.
        where: The file, for messages.

    Raises:
        UnsafeCheckpointError: A registered type is not on the list, or a parameter does not take
            a text.
        UnknownNameError: A type is not registered.
        CheckpointError: A parameter or a number is not on the list.
    """
    judge = _Judge(root, scope, where)
    for fault in find_misfits(node, _ROOTS[root], key, judge.misfits):
        judge.refuse("the record", fault)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges typed tables of one root of a record."""

    root: str
    scope: str
    where: str | Path

    def misfits(self, value: Mapping[str, Any], key: str, slot: Form) -> Iterator[Misfit]:
        """Raise for what is wrong inside a typed table; yield a type of the wrong family."""
        kind = self._find(value["type"], f"{key}.type")
        if kind.family and kind.family not in slot.families:
            yield Misfit(f"{key}.type", value["type"], f"a type of {', '.join(slot.families)}")
            return
        for name, inner in value.items():
            if name == "type":
                continue
            place = f"{key}.{name}"
            if kind.forms is None:
                faults = self._plugin_misfits(inner, place)
            elif name in kind.forms:
                faults = find_misfits(inner, kind.forms[name], place, self.misfits)
            else:
                faults = iter([Misfit(place, inner, None)])
            for fault in faults:
                self.refuse(kind.name, fault)

    def _find(self, name: str, key: str) -> ListedType:
        if name.startswith("zoo."):
            return self._find_of_plugin(name)
        found = find_listed_type(name, self.scope)
        if found is None or (found.family == "transforms") != (self.root == "pipeline"):
            self._refuse_type(name, key)
        return found

    def _find_of_plugin(self, name: str) -> ListedType:
        from zoo.catalog import read_catalog

        unknown: UnknownNameError | None = None
        for attribute in _REGISTRIES[self.root]:
            try:
                found = read_catalog().registered(attribute, name.removeprefix("zoo."))
            except UnknownNameError as error:
                unknown = error
                continue
            return ListedType(found.type, "", _forms_of(found))
        plugin = name.split(".")[1]
        msg = f"cannot use the model's record: no installed plugin has its type {name!r}."
        is_there = any(record.name == plugin for record in read_catalog().plugins)
        hint = f"upgrade the plugin {plugin!r}." if is_there else hint_installing(plugin)
        raise UnknownNameError(
            msg, kind="type", name=name, where=self.where, hint=hint
        ) from unknown

    def _refuse_type(self, name: str, key: str) -> Never:
        prefix, _, last = name.rpartition(".")
        scopes = (prefix,) if prefix else (self.scope, "mmengine")
        place = f"{self.where}, {key}"
        if not any(is_registered_in(last, one, self.root) for one in scopes):
            msg = f"cannot use the model's record: nothing registers its type {name!r}."
            hint = "upgrade zoo and OpenMMLab."
            raise UnknownNameError(msg, kind="type", name=name, where=place, hint=hint)
        msg = f"cannot use the model's record: {key} is {name!r}, which a record may not use."
        raise UnsafeCheckpointError(msg, global_name=name, path=self.where, hint=HINT)

    def _plugin_misfits(self, value: Any, key: str) -> Iterator[Misfit]:
        """Yield what a plugin's type may not be given where its manifest does not say."""
        if isinstance(value, Mapping) and "type" in value:
            everything = ("models", "transforms") if self.root == "pipeline" else _MODEL_FAMILIES
            yield from self.misfits(value, key, Form(families=everything))
        elif isinstance(value, (Mapping, list, tuple)):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            if len(value) > _MOST:
                yield Misfit(key, value, f"{_MOST} values at most")
            for name, inner in items:
                yield from self._plugin_misfits(inner, f"{key}.{name}")
        elif isinstance(value, str):
            yield Misfit(key, value, "no text, as the plugin's manifest lists none")
        elif value is not None and not -_LARGEST <= value <= _LARGEST:
            yield Misfit(key, value, f"a number from -{_LARGEST} to {_LARGEST}")

    def refuse(self, owner: str, fault: Misfit) -> Never:
        """Raise the error for what an owner may not be given."""
        shown = _short(fault.value)
        if fault.wanted is None:
            name = fault.key.rpartition(".")[2]
            reason = f"{owner} does not accept {name!r}, found {fault.key} = {shown}"
        else:
            reason = f"{owner}: {fault.key} is {shown}, expected {fault.wanted}"
        msg = f"cannot use the model's record: {reason}."
        if isinstance(fault.value, str):
            raise UnsafeCheckpointError(msg, global_name=shown, path=self.where, hint=HINT)
        raise CheckpointError(msg, path=self.where, hint=HINT)


def _forms_of(found: Found) -> Mapping[str, Form] | None:
    """Return what a plugin's manifest says that its type may be given; None where it does not."""
    row = found.row
    if not isinstance(row, Contribution) or (row.record is None and row.record_like is None):
        return None
    own = row.record or {}
    if row.record_like is None:
        return own
    like = find_listed_type(row.record_like, "mmengine")
    if like is None or like.forms is None:
        name = found.record.name
        msg = f"cannot use plugin {name!r}: its {row.name} has record_like = {row.record_like!r}, "
        msg += "expected a type that records may use."
        hint = "list the parameters in record instead."
        raise ManifestError(msg, plugin=name, manifest=found.record.path, hint=hint)
    return {**like.forms, **own}


_MODEL_FAMILIES = (
    *("backbones", "data_preprocessors", "heads", "layers", "losses", "models", "necks"),
    "task_utils",
)


def is_registered_in(name: str, scope: str, root: str = "model") -> bool:
    """Return whether ``scope`` itself registers ``name``; nothing is imported by that name.

    Args:
        name: A plain type name.
        scope: ``mmengine``, ``mmseg`` or ``mmdet``.
        root: ``model`` or ``pipeline``.
    """
    import importlib

    if scope not in _SCOPES:
        return False
    for package in ("mmcv.cnn", "mmcv.ops", "mmcv.transforms"):
        importlib.import_module(package)  # they register with mmengine's own
    module = importlib.import_module(f"{scope}.registry")
    registries = [getattr(module, attribute) for attribute in _REGISTRIES[root]]
    for registry in registries:
        registry.import_from_location()
    return any(name in registry.module_dict for registry in registries)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
