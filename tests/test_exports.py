# SPDX-License-Identifier: Apache-2.0
"""The public surface: every module says what it exports, and has it."""

from __future__ import annotations

import ast
import importlib
from importlib.metadata import version
from pathlib import Path

import pytest

import zoo

PACKAGE = Path(zoo.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


def public_names(tree: ast.Module) -> set[str]:
    """Return the classes and functions that a file defines without an underscore."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")
    }


def declared_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_all_of_a_module_is_sorted_and_whole(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    declared = declared_names(tree)

    assert declared is not None, "no __all__"
    assert len(set(declared)) == len(declared)
    if not path.name.startswith("_") or path.name == "__init__.py":
        assert public_names(tree) <= set(declared), "a public name is missing in __all__"


def test_exports_of_zoo_are_there() -> None:
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    assert dir(zoo) == sorted(zoo.__all__)


@pytest.mark.parametrize("package", ["zoo", "zoo.data", "zoo.weights"])
def test_lazy_names_of_a_package_are_those_that_type_checkers_see(package: str) -> None:
    """What stands under TYPE_CHECKING is what is given at run time, from the same module."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert set(seen) == set(module.__all__) - {"__version__"} == set(dir(module)) - {"__version__"}
    for name, home in seen.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


def test_exports_of_zoo_are_used_in_the_readme() -> None:
    """What the README does not show is no part of the interface."""
    readme = PACKAGE.parent / "README.md"
    if not readme.is_file():
        pytest.skip("installed without its checkout")
    text = readme.read_text(encoding="utf-8")

    unused = [name for name in zoo.__all__ if f"zoo.{name}" not in text]

    assert unused == ["__version__"]


def test_attribute_of_zoo_when_unknown_raises() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'nothing'"):
        zoo.nothing  # noqa: B018


def test_version_is_that_of_the_distribution() -> None:
    assert version("mmzoo") == zoo.__version__


@pytest.mark.mm
@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_all_of_a_module_can_be_imported(path: Path) -> None:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    if path.name == "__init__.py":  # a room lists its modules, which come with their first import
        for name in module.__all__:
            if (path.parent / f"{name}.py").is_file():
                importlib.import_module(f"{module.__name__}.{name}")

    assert [name for name in module.__all__ if not hasattr(module, name)] == []
