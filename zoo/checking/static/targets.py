# SPDX-License-Identifier: Apache-2.0
"""ZP110-ZP114: the code parses, and each target is what its row says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.definitions import Definition, find_definition, names_of
from zoo.checking.source.python import find_module, has_module, python_files, read_python
from zoo.checking.source.signatures import why_not_callable
from zoo.checking.static.cases import label_of, row_place, static_rule
from zoo.checking.subject import Subject
from zoo.manifest.kinds import KINDS
from zoo.manifest.rows import Contribution, DatasetRow
from zoo.names import hint_near, near_names

__all__ = ["RULES"]

_EXTRA = ("prepare", "init", "sample")


@dataclass(frozen=True, slots=True)
class _Target:
    """A target of a row, and the key that states it."""

    row: Contribution
    key: str
    text: str

    @property
    def module(self) -> str:
        return self.text.partition(":")[0]

    @property
    def name(self) -> str:
        return self.text.partition(":")[2]


def _targets(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.contributions:
        yield label_of(row), _Target(row, "target", row.target)
        for key in _EXTRA if isinstance(row, DatasetRow) else ():
            text = getattr(row, key)
            if text is not None:
                yield label_of(row), _Target(row, key, text)


def _functions(subject: Subject) -> Iterator[Case]:
    return ((label, each) for label, each in _targets(subject) if each.key in _EXTRA)


def _files(subject: Subject) -> Iterator[Case]:
    for path in python_files(subject.package):
        yield path.relative_to(subject.package).as_posix(), path


def _check_parses(subject: Subject, path: Path) -> Iterator[Finding]:
    file = read_python(path)
    if file.fault is not None:
        where = f"{path}:{file.line}" if file.line else str(path)
        message = f"the file is not Python: {file.fault}."
        yield Finding("ZP110", where, message, "correct that line.")


def _check_module(subject: Subject, target: _Target) -> Iterator[Finding]:
    if has_module(subject.package, target.module):
        return
    there = [_module_of(path, subject) for path in python_files(subject.package)]
    message = f"{target.key} is {target.text!r}, and the package has no module {target.module}."
    start = f"{subject.package_name}."  # all of them share it, which makes none of them similar
    near = [
        start + each
        for each in near_names(
            target.module.removeprefix(start), [each.removeprefix(start) for each in there]
        )
    ]
    mend = hint_near(near, f"write the module, or name one of {', '.join(sorted(there)[:8])}.")
    yield Finding("ZP111", row_place(subject, target.row, target.key), message, mend)


def _module_of(path: Path, subject: Subject) -> str:
    parts = path.relative_to(subject.package).with_suffix("").parts
    inner = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join([subject.package_name, *inner])


def _definition(subject: Subject, target: _Target) -> Definition | None:
    """Return what a target is; None if its file is not there or not Python."""
    found = find_definition(subject.package, target.module, target.name)
    return None if found is None or found.kind == "unparsed" else found


def _check_defined(subject: Subject, target: _Target) -> Iterator[Finding]:
    found = _definition(subject, target)
    if found is None or found.kind not in ("missing", "unknown"):
        return
    where = row_place(subject, target.row, target.key)
    if found.kind == "unknown":
        message = f"{target.key} is {target.text!r}, and only running {found.path.name} tells "
        message += f"whether it defines {target.name}."
        mend = f"define or import {target.name} in {target.module} by its name."
        yield Finding("ZP112", where, message, mend, level="warning")
        return
    message = f"{target.key} is {target.text!r}, and {target.module} defines no {target.name}."
    path = find_module(subject.package, target.module)
    near = near_names(target.name, names_of(path) if path is not None else [])
    mend = hint_near(near, f"define {target.name} in that module, or correct {target.key}.")
    yield Finding("ZP112", where, message, mend)


def _check_callable(subject: Subject, target: _Target) -> Iterator[Finding]:
    found = _definition(subject, target)
    wanted = "a function" if target.key in _EXTRA else _wanted(target.row.kind)
    if found is None or not _is_other(found, wanted):
        return
    is_literal = found.kind == "value"
    kind = "a value that cannot be called" if is_literal else f"a {found.kind}"
    message = f"{target.key} is {target.text!r}, which is {kind}, expected {wanted}."
    mend = f"name {wanted} in the row, or make it one ({found.path.name}:{found.line})."
    yield Finding("ZP113", row_place(subject, target.row, target.key), message, mend)


def _wanted(kind: str) -> str:
    """Return what the target of a kind is; what zoo looks up by itself may be a function."""
    is_free = not KINDS[kind].registry or KINDS[kind].protocol == "Buildable"
    return "a class or function" if is_free else "a class"


def _is_other(found: Definition, wanted: str) -> bool:
    """Return whether a definition is surely not what is wanted."""
    if found.kind == "function":
        return wanted == "a class" and not getattr(found.node, "decorator_list", None)
    if found.kind == "value":
        literals = ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr
        return isinstance(getattr(found.node, "value", None), literals)
    return found.kind == "module"


def _check_signature(subject: Subject, target: _Target) -> Iterator[Finding]:
    found = _definition(subject, target)
    if found is None or not isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    row = target.row
    options = row.options if isinstance(row, DatasetRow) and target.key != "sample" else ()
    keywords = {
        "prepare": ("shares", "progress"),
        "init": ("progress",),
        "sample": ("seed", "count"),
    }[target.key]
    names = [*keywords, *(option.name.replace("-", "_") for option in options)]
    positional = 2 if target.key == "prepare" else 1
    reason = why_not_callable(found.node, positional, names)
    if reason is not None:
        message = f"{target.name} cannot be called as {target.key}: {reason}."
        form = ", ".join(["source, out" if positional == 2 else "folder", "*", *names])
        mend = f"give it the parameters ({form}), or correct the options of the row."
        yield Finding("ZP114", f"{found.path}:{found.line}", message, mend)


RULES = (
    static_rule("ZP110", "code-parses", "Each file of Python parses.", _files, _check_parses),
    static_rule(
        "ZP111",
        "target-module-exists",
        "The module of each target is a file of the package.",
        _targets,
        _check_module,
    ),
    static_rule(
        "ZP112",
        "target-defined",
        "The module of each target defines its name.",
        _targets,
        _check_defined,
    ),
    static_rule(
        "ZP113",
        "target-callable",
        "Each target is a class, or a function where its kind takes one.",
        _targets,
        _check_callable,
    ),
    static_rule(
        "ZP114",
        "functions-take-options",
        "prepare, init and sample take what zoo passes: their arguments, and each option.",
        _functions,
        _check_signature,
    ),
)
