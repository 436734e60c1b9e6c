# SPDX-License-Identifier: Apache-2.0
"""Give types and imports in code and configs the names that they have in the plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set

from zoo_plugin_templates.importing.edits import Code

__all__ = ["Modules", "rewrite_custom_imports", "rewrite_imports", "rewrite_types"]

_UPSTREAM = {"mmcv", "mmdet", "mmengine", "mmseg"}


class Modules:
    """The modules of a project, and what they are called in the plugin.

    Args:
        project: Name of the project's folder.
        package: Package of the plugin.
        names: Modules in the folder, such as ``losses`` and ``losses.edge``.
    """

    def __init__(self, project: str, package: str, names: Set[str]) -> None:
        self._project, self._package, self._names = project, package, names

    def new_name(self, module: str) -> str | None:
        """Return the name of a module in the plugin; None for one of others.

        Args:
            module: As code imports it, from the folder or from a clone around ``projects``.
        """
        if module == f"projects.{self._project}":
            return self._package
        own = module.removeprefix(f"projects.{self._project}.")
        if own == module and module.startswith("projects."):
            # A project in a folder of projects, such as projects.medical.mri.NAME.losses.
            own = module.rpartition(f".{self._project}.")[2]
        if own == module and module.partition(".")[0] in _UPSTREAM:
            return None  # a project's own folder of that name is imported from ``projects``
        return f"{self._package}.{own}" if own in self._names else None


def rewrite_imports(tree: ast.Module, code: Code, modules: Modules) -> Iterator[tuple[int, str]]:
    """Rename imports of the project's own modules; yield line and reason of those that stay.

    Args:
        tree: Of the code.
        code: Where changes are noted.
        modules: Of the project.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            new = modules.new_name(node.module)
            if new is not None:
                names = ", ".join(_spell(each) for each in node.names)
                code.replace(node, f"from {new} import {names}")
        elif isinstance(node, ast.Import):
            own = [each.name for each in node.names if modules.new_name(each.name)]
            if own and all(each.asname for each in node.names):
                new_names = [modules.new_name(each.name) or each.name for each in node.names]
                pairs = zip(new_names, node.names, strict=True)
                spelled = ", ".join(f"{name} as {each.asname}" for name, each in pairs)
                code.replace(node, f"import {spelled}")
            elif own:
                yield node.lineno, f"import {own[0]} names a module of the project: import from it"


def _spell(name: ast.alias) -> str:
    return f"{name.name} as {name.asname}" if name.asname else name.name


def rewrite_types(tree: ast.Module, code: Code, types: Mapping[str, str]) -> None:
    """Rename the project's types where ``type`` is given, and in variables that are given for it.

    Args:
        tree: Of a config or a module.
        code: Where changes are noted.
        types: Name in the project -> name in the plugin.
    """
    variables = set()
    for value in _type_values(tree):
        if isinstance(value, ast.Name):
            variables.add(value.id)
        _rename(value, code, types)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            named = {each.id for each in node.targets if isinstance(each, ast.Name)}
            if named & variables or any(each.endswith("_type") for each in named):
                _rename(node.value, code, types)


def _type_values(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the values of ``dict(type=...)``, ``{"type": ...}`` and ``x["type"] = ...``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (each.value for each in node.keywords if each.arg == "type")
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "type":
                    yield value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                key = target.slice if isinstance(target, ast.Subscript) else None
                if isinstance(key, ast.Constant) and key.value == "type":
                    yield node.value


def _rename(value: ast.expr, code: Code, types: Mapping[str, str]) -> None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        scope, _, name = value.value.rpartition(".")
        if name in types and scope in ("", "mmseg", "mmdet", "mmengine", "mmcv"):
            code.replace(value, repr(types[name]))


def rewrite_custom_imports(
    tree: ast.Module, code: Code, modules: Modules
) -> Iterator[tuple[int, str]]:
    """Remove the project's modules from ``custom_imports``, and the whole if no other is in it.

    Yield line and reason of what stays, or names nothing that is there.

    Args:
        tree: Of a config.
        code: Where changes are noted.
        modules: Of the project.
    """
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if not any(isinstance(each, ast.Name) and each.id == "custom_imports" for each in targets):
            continue
        assert isinstance(node, ast.Assign)  # noqa: S101 - for mypy
        names = _imported(node.value)
        if names is None:
            yield node.lineno, "custom_imports is computed, and stays as it is"
            continue
        others = [name for name in names if modules.new_name(name) is None]
        missing = [name for name in others if name.startswith("projects.")]
        for name in missing:
            yield node.lineno, f"custom_imports names {name}, which is not in the folder"
        others = [name for name in others if name not in missing]
        if others:
            new = f"custom_imports = dict(imports={others!r}, allow_failed_imports=False)"
            code.replace(node, new)
        else:
            code.remove(node)


def _imported(value: ast.expr) -> list[str] | None:
    """Return the modules of ``dict(imports=...)`` or ``{"imports": ...}``."""
    found: ast.expr | None = None
    if isinstance(value, ast.Call):
        found = next((each.value for each in value.keywords if each.arg == "imports"), None)
    elif isinstance(value, ast.Dict):
        for key, each in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "imports":
                found = each
    try:
        names = None if found is None else ast.literal_eval(found)
    except (ValueError, TypeError, RecursionError):
        return None
    names = [names] if isinstance(names, str) else names
    is_texts = isinstance(names, list | tuple) and all(isinstance(each, str) for each in names)
    return list(names) if is_texts and names is not None else None
