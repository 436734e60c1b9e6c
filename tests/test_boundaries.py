# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: every import statement of the repository, walked.

Imports under ``if TYPE_CHECKING`` are left out: they do not run.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STDLIB = sys.stdlib_module_names
MM = {"mmengine", "mmcv", "mmseg", "mmdet"}


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    in_function: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Rule:
    """What a part may import: of zoo, of others anywhere, and of others inside functions only."""

    zoo: frozenset[str]
    others: frozenset[str] = frozenset()
    lazily: frozenset[str] = frozenset()

    def refuses(self, found: Import) -> bool:
        if found.top in STDLIB:
            return False
        if found.top == "zoo":
            # `import zoo` itself brings the standard library alone.
            return found.module != "zoo" and not any(
                _is_within(found.module, part) for part in self.zoo
            )
        return found.top not in self.others and not (found.in_function and found.top in self.lazily)


def rule(*zoo: str, others: set[str] | None = None, lazily: set[str] | None = None) -> Rule:
    return Rule(frozenset(zoo), frozenset(others or ()), frozenset(lazily or ()))


# Each part may import itself and, of the rest of zoo, what stands here.
BASE = (
    "zoo.errors",
    "zoo.names",
    "zoo.manifest.rows",
    "zoo.manifest.kinds",
    "zoo.documents",
    "zoo.fields",
    "zoo.texts",
    "zoo.manifest.parameters",
)
CATALOG = (
    *BASE,
    "zoo.manifest.requirements",
    "zoo.manifest.table",
    "zoo.manifest.row_reading",
    "zoo.manifest.reading",
    "zoo.manifest.discovery",
)
RULES = {
    "zoo/__init__.py": rule("zoo._extension"),
    "zoo/__main__.py": rule("zoo.cli"),
    "zoo/_extension.py": rule(),
    "zoo/texts.py": rule(),
    "zoo/documents.py": rule(),
    "zoo/fields.py": rule("zoo.documents", "zoo.texts"),
    "zoo/errors.py": rule("zoo.texts"),
    "zoo/names.py": rule(),
    "zoo/manifest/kinds.py": rule(),
    "zoo/manifest/parameters.py": rule(),
    "zoo/manifest/rows.py": rule("zoo.manifest.parameters"),
    "zoo/manifest/requirements.py": rule("zoo.errors", lazily={"packaging"}),
    "zoo/manifest/table.py": rule("zoo.errors", "zoo.names", "zoo.texts"),
    "zoo/manifest/row_reading.py": rule(
        "zoo.manifest.table", "zoo.manifest.rows", "zoo.texts", "zoo.manifest.parameters"
    ),
    "zoo/manifest/reading.py": rule(
        *BASE, "zoo.manifest.requirements", "zoo.manifest.table", "zoo.manifest.row_reading"
    ),
    "zoo/manifest/discovery.py": rule(
        "zoo.documents", "zoo.errors", "zoo.manifest.reading", "zoo.texts"
    ),
    "zoo/catalog.py": rule(*CATALOG),
    "zoo/loading.py": rule("zoo.catalog", *BASE, "zoo.manifest.requirements"),
    "zoo/registry.py": rule("zoo.catalog", "zoo.loading", *BASE, others={"mmengine"}),
    "zoo/interfaces.py": rule(),
    "zoo/data": rule(
        *("zoo.errors", "zoo.documents", "zoo.fields", "zoo.texts"),
        lazily={"numpy", "cv2", "pycocotools", "simplejpeg", "PIL", "rasterio"},
    ),
    "zoo/weights": rule(
        "zoo.manifest.reading",
        "zoo.catalog",
        *BASE,
        lazily={"requests", "urllib3", "filelock", "platformdirs"},
    ),
    "zoo/ops": rule("zoo.errors", others={"torch"}),
    "zoo/engine": rule(
        *(*CATALOG, "zoo.catalog", "zoo.loading", "zoo.registry", "zoo.interfaces"),
        *("zoo.data", "zoo.weights", "zoo.ops", "zoo._extension", "zoo.__version__"),
        others={"torch", "numpy", "cv2", "safetensors", "packaging", *MM},
        lazily={"matplotlib", "PIL", "tqdm", "rasterio", "affine", "shapely", "pyproj", "yaml"},
    ),
    "zoo/testing": rule(
        *(*BASE, "zoo.catalog", "zoo.manifest.discovery", "zoo.loading", "zoo.manifest.reading"),
        *("zoo.manifest.requirements", "zoo.interfaces", "zoo.data", "zoo.engine", "zoo.weights"),
        others={"pytest"},
        lazily={"torch", "numpy", "cv2", *MM},
    ),
    "zoo/cli": rule(
        "zoo", others={"click"}, lazily={"torch", "numpy", "cv2", "packaging", "platformdirs", *MM}
    ),
    "tools": rule(
        "zoo",
        others={
            *("faulty_server", "download_faults", "demonstration", "terminal", "evidence"),
            *("document_kinds", "document_mutator", "document_seeds", "document_surroundings"),
        },
        lazily={"numpy", "cv2", "click", "mmengine", "sweep_upstream"},
    ),
}
PLUGIN = rule("zoo.errors", "zoo.data", "zoo.interfaces", "zoo.documents", "zoo.texts")
PLUGIN_TESTS = rule("zoo.errors", "zoo.data", "zoo.interfaces", "zoo.testing")


def _is_within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def _imports(path: Path) -> Iterator[Import]:
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), path, in_function=False)


def _walk(node: ast.AST, path: Path, *, in_function: bool) -> Iterator[Import]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.orelse:
            yield from _walk(child, path, in_function=in_function)
        return
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, in_function)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, path)
        if base == "zoo":
            # `from zoo import x` means the module zoo.x, or a name that zoo exports.
            for alias in node.names:
                yield Import(f"zoo.{alias.name}", node.lineno, in_function)
        else:
            yield Import(base, node.lineno, in_function)
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, path, in_function=in_function or is_function)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    package = path.parent
    for _ in range(node.level - 1):
        package = package.parent
    names = [package.name]
    while (package.parent / "__init__.py").is_file():
        package = package.parent
        names.insert(0, package.name)
    return ".".join([*names, node.module] if node.module else names)


def _files(part: str) -> list[Path]:
    path = ROOT / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _broken(part: str, held_to: Rule) -> list[str]:
    own = part.removesuffix(".py").replace("/", ".")
    return [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in _files(part)
        for found in _imports(path)
        if not _is_within(found.module, own) and held_to.refuses(found)
    ]


@pytest.mark.parametrize("part", RULES)
def test_imports_of_a_part_stay_within_its_rule(part: str) -> None:
    assert _broken(part, RULES[part]) == []


def test_every_file_of_zoo_has_a_rule() -> None:
    ruled = {path for part in RULES for path in _files(part)}

    assert sorted(set((ROOT / "zoo").rglob("*.py")) - ruled) == []


def _plugin_files() -> list[Path]:
    return sorted((ROOT / "plugins").glob("*/**/*.py"))


def test_imports_of_plugins_are_public_and_of_no_other_plugin() -> None:
    broken = []
    for path in _plugin_files():
        own = f"zoo_{path.relative_to(ROOT / 'plugins').parts[0]}"
        allowed = PLUGIN_TESTS if "tests" in path.parts else PLUGIN
        for found in _imports(path):
            is_other = found.top.startswith("zoo_") and found.top != own
            is_private = found.top == "zoo" and allowed.refuses(found)
            if is_other or is_private:
                broken.append(f"{path.relative_to(ROOT)}:{found.line} imports {found.module}")

    assert broken == []


def test_packages_of_plugins_import_zoo_first_of_all() -> None:
    """A spawned worker that unpickles a plugin's class needs zoo's finder before mmdet."""
    packages = [path for path in _plugin_files() if path.name == "__init__.py"]
    tops = [path for path in packages if path.parent.name.startswith("zoo_")]

    lacking = [path for path in tops if "zoo" not in [found.module for found in _imports(path)]]

    assert lacking == []


def test_no_plugin_is_named_in_the_core() -> None:
    """The core never knows a plugin's name; only words that are not English can be searched for."""
    names = [path.name for path in (ROOT / "plugins").glob("*") if path.is_dir()]
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "zoo").rglob("*.py"))
        for name in names
        if f"zoo_{name}" in (text := path.read_text(encoding="utf-8")) or f"zoo.{name}" in text
    ]

    assert found == []


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("import torch", True),
        ("from zoo import engine", True),
        ("def f():\n    import zoo.engine.runs.train", True),
        ("from zoo.errors import ZooError", False),
        ("import numpy", True),
        ("def f():\n    import numpy", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", False),
        ("from .staging import x", False),
        ("from ..engine import x", True),
    ],
)
def test_walk_of_a_file_when_it_breaks_the_rule_sees_it(
    tmp_path: Path, code: str, refused: bool
) -> None:
    """The walk itself is tested: a walk that sees nothing would pass everything."""
    package = tmp_path / "zoo" / "data"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    path = package / "archive.py"
    path.write_text(code)

    found = [
        entry
        for entry in _imports(path)
        if not _is_within(entry.module, "zoo.data") and RULES["zoo/data"].refuses(entry)
    ]

    assert bool(found) is refused
