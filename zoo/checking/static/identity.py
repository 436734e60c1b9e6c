# SPDX-License-Identifier: Apache-2.0
"""ZP205: the identity that prepared folders carry is that of the manifest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.definitions import find_definition
from zoo.checking.source.python import python_files, read_python
from zoo.checking.static.cases import is_stated, static_rule
from zoo.checking.subject import Subject

__all__ = ["RULES"]

_CLASS = "DatasetIdentity"
_KEYS = ("plugin", "name", "version")


def _identities(subject: Subject) -> Iterator[Case]:
    """Yield each call of ``DatasetIdentity(...)`` and ``DatasetIdentity.of(...)``."""
    if subject.manifest is None:
        return
    for path in python_files(subject.package):
        for node in ast.walk(read_python(path).tree):
            if isinstance(node, ast.Call) and _is_identity(node.func):
                yield path.relative_to(subject.package).as_posix(), (path, node)


def _is_identity(func: ast.expr) -> bool:
    names = ast.unparse(func).split(".") if isinstance(func, ast.Name | ast.Attribute) else []
    return _CLASS in names[-1:] or (names[-1:] == ["of"] and _CLASS in names)


def _check(subject: Subject, case: tuple[Path, ast.Call]) -> Iterator[Finding]:
    path, node = case
    manifest = subject.manifest
    if manifest is None:
        return
    stated = dict(zip(_KEYS, node.args, strict=False))
    stated |= {each.arg: each.value for each in node.keywords if each.arg is not None}
    rows = [row.get("name") for row in _rows(subject)]
    wanted: dict[str, list[object]] = {"plugin": [manifest.plugin], "name": rows}
    if is_stated(subject, "version"):
        wanted["version"] = [manifest.version]
    for key, values in wanted.items():
        text = _text(stated.get(key), subject, path)
        if text is not None and text not in values:
            message = f"the {key} of {_CLASS} is {text!r}, and the manifest says "
            message += f"{' or '.join(map(repr, values)) or 'none'}."
            mend = f"write {_CLASS}.of(plugin, name), which reads the manifest."
            yield Finding("ZP205", f"{path}:{node.lineno}", message, mend)


def _rows(subject: Subject) -> list[dict[str, object]]:
    rows = subject.survey.document.get("dataset")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _text(node: ast.expr | None, subject: Subject, path: Path) -> str | None:
    """Return a text that is written there, or as a constant of the package; else None."""
    if isinstance(node, ast.Name):
        parts = path.relative_to(subject.package).with_suffix("").parts
        module = ".".join([subject.package_name, *parts]).removesuffix(".__init__")
        found = find_definition(subject.package, module, node.id)
        node = getattr(found.node, "value", None) if found is not None else None
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


RULES = (
    static_rule(
        "ZP205",
        "identity-agrees",
        "Plugin, data set and version of each DatasetIdentity are the manifest's.",
        _identities,
        _check,
    ),
)
