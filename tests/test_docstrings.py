# SPDX-License-Identifier: Apache-2.0
"""Every public function and method of zoo documents its arguments in an ``Args:`` section."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo

_ROOT = Path(zoo.__file__).parent
_MODULES = sorted(path.relative_to(_ROOT).as_posix() for path in _ROOT.rglob("*.py"))


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the public functions and methods of a module, with their dotted names."""
    for node in body:
        if isinstance(node, ast.If):  # such as ``if TYPE_CHECKING``
            yield from _functions([*node.body, *node.orelse], prefix)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node


def _needs_args(function: ast.FunctionDef) -> bool:
    """Return whether a function has arguments; overloads and click's commands need no section.

    The docstring of a command is its help text, which lists the arguments itself.
    """
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    if any("overload" in text or ".command(" in text for text in decorators):
        return False
    return any(argument.arg not in ("self", "cls") for argument in named)


@pytest.mark.parametrize("module", _MODULES)
def test_public_functions_document_their_arguments(module: str) -> None:
    tree = ast.parse((_ROOT / module).read_text(encoding="utf-8"))
    lacking = []
    for name, function in _functions(tree.body):
        is_test = module.startswith("checking/kinds/") and function.name.startswith("test_")
        docstring = ast.get_docstring(function)
        if docstring is None or is_test or not _needs_args(function):
            continue
        if "Args:" not in [line.strip() for line in docstring.splitlines()]:
            lacking.append(name)

    assert not lacking, f"zoo/{module}: no `Args:` in {', '.join(lacking)}"
