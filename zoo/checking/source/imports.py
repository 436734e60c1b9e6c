# SPDX-License-Identifier: Apache-2.0
"""What the files of a package import, and in which circumstances."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from zoo.checking.source.definitions import is_for_types
from zoo.checking.source.python import python_files, read_python

__all__ = ["Imported", "imports_of", "imports_of_file"]

_MISSING = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


@dataclass(frozen=True, slots=True)
class Imported:
    """One import.

    Attributes:
        module: Dotted name of the module; relative ones are spelled out.
        names: The names taken from it; empty for ``import module``.
        path: The file that imports.
        line: Its line.
        is_lazy: Whether it stands in a function, so that it runs when that is called.
        is_optional: Whether the code goes on without it: it stands in a ``try`` that catches
            ImportError, or is ``importlib.util.find_spec``'s own branch.
        is_for_types: Whether only type checkers follow it.
    """

    module: str
    names: tuple[str, ...]
    path: Path
    line: int
    is_lazy: bool = False
    is_optional: bool = False
    is_for_types: bool = False

    @property
    def top(self) -> str:
        """Return the top-level package."""
        return self.module.partition(".")[0]


def imports_of(package: Path, package_name: str) -> Iterator[Imported]:
    """Yield every import in a package.

    Args:
        package: The folder of the package.
        package_name: The name under which Python imports it.
    """
    for path in python_files(package):
        yield from imports_of_file(path, package, package_name)


def imports_of_file(path: Path, package: Path, package_name: str) -> tuple[Imported, ...]:
    """Return the imports in one file of a package.

    Args:
        path: The file.
        package: The folder of the package.
        package_name: The name under which Python imports it.
    """
    parents = (package_name, *path.relative_to(package).parent.parts)
    return _imports(read_python(path).tree, path, parents)


@lru_cache(maxsize=512)  # several rules ask for them; files of equal bytes have one tree
def _imports(tree: ast.Module, path: Path, parents: tuple[str, ...]) -> tuple[Imported, ...]:
    return tuple(_found(tree, path, parents))


def _found(tree: ast.Module, path: Path, parents: tuple[str, ...]) -> Iterator[Imported]:
    for node, state in _walk(tree, frozenset()):
        marks = {f"is_{name}": name in state for name in ("lazy", "optional", "for_types")}
        if isinstance(node, ast.Import):
            for each in node.names:
                yield Imported(each.name, (), path, node.lineno, **marks)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = tuple(each.name for each in node.names)
            yield Imported(module or ".", names, path, node.lineno, **marks)


def _walk(root: ast.AST, state: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield every node and its circumstances; a deep tree needs no recursion."""
    left = [(root, state)]
    while left:
        node, here = left.pop()
        yield node, here
        left += reversed(list(_children(node, here)))


def _children(node: ast.AST, state: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    if isinstance(node, ast.If) and is_for_types(node):
        yield from ((child, state | {"for_types"}) for child in node.body)
        yield from ((child, state) for child in node.orelse)
    elif isinstance(node, ast.Try) and any(map(_catches_missing, node.handlers)):
        yield from ((child, state | {"optional"}) for child in node.body)
        others = [*node.orelse, *node.finalbody]
        yield from ((child, state) for child in others)
        # What a handler imports takes the place of what is missing.
        yield from ((child, state | {"optional"}) for child in node.handlers)
    else:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inner = state | {"lazy"} if is_function else state
        yield from ((child, inner) for child in ast.iter_child_nodes(node))


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(getattr(kind, "id", "") in _MISSING for kind in kinds)
