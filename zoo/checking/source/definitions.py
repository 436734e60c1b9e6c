# SPDX-License-Identifier: Apache-2.0
"""Which names a module defines, as far as its text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from zoo.checking.source.python import find_module, read_python

__all__ = ["Definition", "find_definition", "is_for_types", "names_of", "running_statements"]

# A module that does one of these may define any name.
_WRITERS = frozenset({"globals", "exec", "setattr", "vars", "locals", "eval"})


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name of a module is.

    Attributes:
        kind: ``class``, ``function``, ``value`` (an assignment), ``module``, ``foreign`` (imported
            from another package), ``unknown`` (only running the module tells), ``unparsed`` (its
            file is not Python), or ``missing``.
        path: The file that defines it, or that was read last.
        node: The statement that defines it, or None.
    """

    kind: str
    path: Path
    node: ast.stmt | None = None

    @property
    def line(self) -> int:
        """Return the line of the statement, or 0."""
        return self.node.lineno if self.node is not None else 0


def find_definition(package: Path, module: str, name: str) -> Definition | None:
    """Return what a name of a module is; imports within the package are followed.

    Args:
        package: The folder of the top-level package.
        module: Dotted name; its first part is the package's.
        name: The name in the module.

    Returns:
        The definition, or None if the package has no such module.
    """
    return _find(package, module, name, frozenset())


def _find(package: Path, module: str, name: str, seen: frozenset[str]) -> Definition | None:
    path = find_module(package, module)
    if path is None:
        return None
    file = read_python(path)
    tree = file.tree
    if file.fault is not None:
        return Definition("unparsed", path)
    bound, stars = _index(tree)
    statements = bound.get(name, [])
    if statements:
        all_ = [_resolved(package, module, name, path, node, seen) for node in statements]
        usable = [each for each in all_ if each.kind in ("class", "function", "foreign")]
        return (usable or all_)[-1]  # of `try: import` and its fallback, what is meant
    if find_module(package, f"{module}.{name}") and path.name == "__init__.py":
        return Definition("module", path)
    for node in stars:
        source = _absolute(module, path, node)
        if not _is_within(source, module.partition(".")[0]):
            return Definition("unknown", path, node)
        key = f"{source}:{name}"
        found = None if key in seen else _find(package, source, name, seen | {key})
        if found is not None and found.kind != "missing":
            return found
    return Definition("unknown" if _may_define_more(tree) else "missing", path)


@lru_cache(maxsize=512)
def _index(tree: ast.Module) -> tuple[dict[str, list[ast.stmt]], list[ast.ImportFrom]]:
    """Return the statements of a module by the names that they define, and its star imports."""
    bound: dict[str, list[ast.stmt]] = {}
    stars: list[ast.ImportFrom] = []
    for node in running_statements(tree.body):
        for name in _bound(node):
            bound.setdefault(name, []).append(node)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append(node)
    return bound, stars


def _resolved(
    package: Path, module: str, name: str, path: Path, node: ast.stmt, seen: frozenset[str]
) -> Definition:
    if isinstance(node, ast.ClassDef):
        return Definition("class", path, node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return Definition("function", path, node)
    if isinstance(node, ast.Import):
        return Definition("module", path, node)
    if not isinstance(node, ast.ImportFrom):
        return _aliased(package, module, path, node, seen) or Definition("value", path, node)
    source = _absolute(module, path, node)
    if not _is_within(source, module.partition(".")[0]):
        return Definition("foreign", path, node)
    original = next(each.name for each in node.names if (each.asname or each.name) == name)
    key = f"{source}:{original}"
    if key in seen:
        return Definition("missing", path, node)
    found = _find(package, source, original, seen | {key})
    if found is None:
        return Definition("missing", path, node)
    return found if found.kind != "missing" else Definition("missing", found.path, node)


def _aliased(
    package: Path, module: str, path: Path, node: ast.stmt, seen: frozenset[str]
) -> Definition | None:
    """Return what ``b`` is for ``a = b``, or None if the value is anything else."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if not isinstance(value, ast.Name):
        return None
    key = f"{module}:{value.id}"
    found = None if key in seen else _find(package, module, value.id, seen | {key})
    return found if found is not None and found.kind in ("class", "function", "foreign") else None


def names_of(path: Path) -> list[str]:
    """Return the names that a module defines at its top, in order.

    Args:
        path: The module's file.
    """
    return list(_index(read_python(path).tree)[0])


def running_statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that importing a module runs, with those in ``if`` and ``try``.

    Args:
        body: Statements of a module. A block under ``TYPE_CHECKING`` does not run.
    """
    for node in body:
        yield node
        if isinstance(node, ast.If):
            if not is_for_types(node):
                yield from running_statements(node.body)
            yield from running_statements(node.orelse)
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from running_statements([*node.body, *node.orelse, *node.finalbody])
            for handler in node.handlers:
                yield from running_statements(handler.body)
        elif isinstance(node, ast.With | ast.For | ast.While):
            yield from running_statements(node.body)
            yield from running_statements(getattr(node, "orelse", []))


def is_for_types(node: ast.If) -> bool:
    """Return whether only a type checker reads the body of an ``if``.

    Args:
        node: The statement.
    """
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _bound(node: ast.stmt) -> list[str]:
    """Return the names that one statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Import):
        return [each.asname or each.name.partition(".")[0] for each in node.names]
    if isinstance(node, ast.ImportFrom):
        return [each.asname or each.name for each in node.names if each.name != "*"]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif (isinstance(node, ast.AnnAssign) and node.value is not None) or isinstance(node, ast.For):
        targets = [node.target]
    elif isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
    found = [each for target in targets for each in ast.walk(target)]
    names = [each for each in found if isinstance(each, ast.Name)]
    return [each.id for each in names if isinstance(each.ctx, ast.Store)]  # not `a` of `a.b = c`


@lru_cache(maxsize=512)
def _may_define_more(tree: ast.Module) -> bool:
    """Return whether a module has ``__getattr__``, or writes names in other ways."""
    if any(getattr(node, "name", "") == "__getattr__" for node in tree.body):
        return True
    if any("__getattr__" in _bound(node) for node in tree.body):
        return True
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(isinstance(each, ast.Name) and each.id in _WRITERS for each in called)


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """Return the dotted name that an import names."""
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    is_package = path.name == "__init__.py"
    up = node.level - 1 if is_package else node.level
    parts = parts[: len(parts) - up] if up else parts
    return ".".join([*parts, node.module] if node.module else parts)


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
