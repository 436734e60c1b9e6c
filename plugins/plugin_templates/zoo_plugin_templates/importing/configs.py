# SPDX-License-Identifier: Apache-2.0
"""The configs of a project: rewritten, and left out with those that are built on them."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple

from zoo_plugin_templates.importing.edits import Code, parse
from zoo_plugin_templates.importing.reading import Found
from zoo_plugin_templates.importing.rewriting import (
    Modules,
    rewrite_custom_imports,
    rewrite_types,
)

__all__ = ["config_rows", "import_configs"]

_ROOT = "configs/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_COMPUTED = ""  # name of a base that is not written out
_BASE_FOLDERS = re.compile(r"(^|/)_+base_+/")


class _Base(NamedTuple):
    """A base that a config names.

    Attributes:
        path: In the folder, or from it; empty if the name is computed.
        line: Of the config, where it is named.
    """

    path: str
    line: int


def import_configs(
    found: Found, types: Mapping[str, str], modules: Modules, scope: str
) -> dict[str, str]:
    """Return path -> text of the configs that can be carried over.

    Args:
        found: The project's folder.
        types: Name of each of its types -> name in the plugin.
        modules: Of the project.
        scope: ``mmseg`` or ``mmdet``, whose configs lie around the project.
    """
    texts: dict[str, str] = {}
    bases: dict[str, list[_Base]] = {}
    for path, text in found.texts.items():
        if not path.startswith(_ROOT) or not path.endswith(".py"):
            continue
        tree = parse(text)
        if isinstance(tree, str):
            found.leave(path, tree)
            continue
        lazy = next((each for each in tree.body if isinstance(each, _IMPORTS)), None)
        if lazy is not None:
            found.leave(f"{path}:{lazy.lineno}", "it imports, expected a config of plain values")
            continue
        code = Code(text)
        rewrite_types(tree, code, types)
        for line, reason in rewrite_custom_imports(tree, code, modules):
            found.leave(f"{path}:{line}", reason)
        bases[path] = _rewrite_bases(tree, code, path, scope)
        texts[path] = code.text()
    _drop_without_base(texts, bases, found)
    return texts


_IMPORTS = (ast.Import, ast.ImportFrom, ast.With)


def _rewrite_bases(tree: ast.Module, code: Code, path: str, scope: str) -> list[_Base]:
    """Rename bases around the project; return those in it, and what cannot be read."""
    found: list[_Base] = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if not any(isinstance(each, ast.Name) and each.id == "_base_" for each in targets):
            continue
        assert isinstance(node, ast.Assign)  # noqa: S101 - for mypy
        value = node.value
        for each in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
            if not isinstance(each, ast.Constant) or not isinstance(each.value, str):
                found.append(_Base(_COMPUTED, each.lineno))
            elif "::" not in each.value:
                full = posixpath.normpath(posixpath.join(posixpath.dirname(path), each.value))
                around = re.match(r"(?:\.\./)+(?:.*/)?configs/(.+)", full)
                if around:
                    code.replace(each, repr(f"{scope}::{around[1]}"))
                else:
                    found.append(_Base(full, each.lineno))
    return found


def _drop_without_base(
    texts: dict[str, str], bases: Mapping[str, list[_Base]], found: Found
) -> None:
    """Leave out configs whose bases are not in the plugin, and those that are built on them."""
    while True:
        lost = {path: base for path in texts for base in bases[path] if base.path not in texts}
        if not lost:
            return
        for path, base in lost.items():
            _note_lost(path, base, found)
            del texts[path]


def _note_lost(path: str, base: _Base, found: Found) -> None:
    """Say why a config is left out: its base is missing, which is to mend, or left out itself."""
    where = f"{path}:{base.line}"
    if base.path == _COMPUTED:
        found.leave(where, "its base is computed, expected a name that is written out")
    elif base.path in found.texts:
        found.leave(where, f"it is built on {base.path}, which is not carried over")
    elif base.path.startswith("../"):
        reason = f"its base {base.path!r:.120} is outside the folder; copy it into the folder"
        found.miss(where, f"{reason} and name it there, then import again")
    else:
        reason = f"its base {base.path!r:.120} is not there"
        found.miss(where, f"{reason}; add that file, or correct _base_, then import again")


def config_rows(texts: Mapping[str, str], found: Found) -> dict[str, str]:
    """Return name -> path of the configs that users name; bases have no row.

    Args:
        texts: Path -> text of the configs.
        found: Takes what can have no name.
    """
    rows: dict[str, str] = {}
    for path in texts:
        if _BASE_FOLDERS.search(path):
            continue
        name = posixpath.basename(path).removesuffix(".py")
        if not _NAME.fullmatch(name):
            found.leave(path, f"{name!r:.80} can be no name of a config; the file is in the plugin")
        elif name in rows:
            found.leave(path, f"{rows[name]} has the same name; the file is in the plugin")
        else:
            rows[name] = path
    return rows
