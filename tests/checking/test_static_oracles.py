# SPDX-License-Identifier: Apache-2.0
"""What is told from a text agrees with what Python, setuptools and OpenMMLab do."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zoo.checking.source.definitions import find_definition
from zoo.checking.source.python import has_module
from zoo.checking.source.signatures import why_not_callable

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("asyncio", "click", "concurrent", "email", "json", "logging", "packaging", "unittest")


def _modules(package: str) -> list[str]:
    folder = Path(importlib.import_module(package).__path__[0])
    parts = [path.relative_to(folder).with_suffix("").parts for path in folder.rglob("*.py")]
    names = [".".join([package, *(part for part in each if part != "__init__")]) for each in parts]
    return [name for name in names if "__main__" not in name and ".test" not in name]


@pytest.mark.parametrize("package", PACKAGES)
def test_names_that_a_module_has_are_never_told_to_be_missing(package: str) -> None:
    """Of real packages: each name that importing gives is found, and a made-up one is not."""
    folder = Path(importlib.import_module(package).__path__[0])
    told = {}
    for module in _modules(package):
        try:
            names = vars(importlib.import_module(module))
        except (ImportError, AssertionError):  # of another platform
            continue
        for name in [*names, "no_such_name"]:
            is_own = not name.startswith("__") and not inspect.ismodule(names.get(name))
            found = find_definition(folder, module, name) if is_own else None
            if found is not None:
                told[module, name] = found.kind

    missing = [each for each, kind in told.items() if kind == "missing"]
    assert len(told) > 50
    assert [each for each in missing if each[1] != "no_such_name"] == []
    assert len(missing) >= 0.6 * len({module for module, _ in told})


@pytest.mark.parametrize("package", ["numpy", "PIL", "json"])
def test_modules_that_python_finds_are_never_told_to_be_missing(package: str) -> None:
    """Compiled ones too, of packages that have them; none that is not there is found."""
    folder = Path(importlib.import_module(package).__path__[0])
    folders = {path.parent for path in folder.rglob("__init__.py")}
    names = {
        ".".join([package, *inner.relative_to(folder).parts, found.name])
        for inner in folders
        for found in pkgutil.iter_modules([str(inner)])
    }

    assert len(names) >= 3
    assert [name for name in sorted(names) if not has_module(folder, name)] == []
    assert [name for name in sorted(names) if has_module(folder, f"{name}_not")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_classes_and_functions_are_told_apart_as_python_does(package: str) -> None:
    """A name is told to be a class or a function only if importing gives one."""
    folder = Path(importlib.import_module(package).__path__[0])
    wrong = []
    for module in _modules(package):
        try:
            values = vars(importlib.import_module(module))
        except (ImportError, AssertionError):
            continue
        for name, value in values.items():
            found = find_definition(folder, module, name)
            if found is None or getattr(found.node, "decorator_list", None):
                continue
            if found.kind == "class" and not inspect.isclass(value):
                wrong.append((module, name, found.kind))
            if found.kind == "function" and not callable(value):
                wrong.append((module, name, found.kind))

    assert wrong == []


@pytest.mark.parametrize(
    "line", ["Loss.forward = other", "Loss.table[0] = other", "with other() as Loss.file: pass"]
)
def test_class_whose_attribute_is_set_stays_a_class(tmp_path: Path, line: str) -> None:
    """Setting an attribute of a class does not give its name to another object."""
    package = tmp_path / "zoo_pond"
    package.mkdir()
    (package / "__init__.py").touch()
    text = f"def other(): ...\n\n\nclass Loss:\n    table = {{}}\n\n\n{line}\n"
    (package / "loss.py").write_text(text)

    found = find_definition(package, "zoo_pond.loss", "Loss")

    assert found is not None
    assert (found.kind, found.line) == ("class", 4)


PARAMETERS = ("source", "out=1", "*rest", "*", "shares", "progress=None", "**more")


def _signatures() -> list[str]:
    """Return every list of up to four of the parameters that Python takes."""
    lists = [
        ", ".join(chosen)
        for count in range(5)
        for chosen in itertools.permutations(PARAMETERS, count)
    ]
    taken = []
    for text in lists:
        try:
            compile(f"def f({text}): ...", "f", "exec")
        except SyntaxError:
            continue
        taken.append(text)
    return taken


def test_a_call_is_told_to_fail_exactly_where_it_fails() -> None:
    """Every signature of up to four parameters, called in six ways, against the call itself."""
    signatures = _signatures()
    calls = [(1, ()), (2, ()), (2, ("shares",)), (1, ("progress",)), (2, ("shares", "progress"))]
    for text in signatures:
        code = f"def f({text}): return None"
        names: dict[str, object] = {}
        exec(code, names)
        node = ast.parse(code).body[0]
        assert isinstance(node, ast.FunctionDef)
        for positional, keywords in [*calls, (0, ("source", "out"))]:
            try:
                names["f"](*range(positional), **dict.fromkeys(keywords))  # type: ignore[operator]
            except TypeError:
                fails = True
            else:
                fails = False
            told = why_not_callable(node, positional, keywords)
            assert (told is not None) is fails, f"f({text}) with {positional} and {keywords}"
    assert len(signatures) > 100


FILES = (
    *("zoo_pond/__init__.py", "zoo_pond/zoo_plugin.toml", "zoo_pond/a.json"),
    *("zoo_pond/parts/__init__.py", "zoo_pond/parts/b.json", "zoo_pond/parts/code.py"),
    *("zoo_pond/configs/c.py", "zoo_pond/configs/deep/d.yml", "zoo_pond/.hidden.json"),
)
TOOLS = {
    "listed": '[tool.setuptools]\npackages = ["zoo_pond"]\n',
    "both": '[tool.setuptools]\npackages = ["zoo_pond", "zoo_pond.parts"]\n'
    '[tool.setuptools.package-data]\nzoo_pond = ["*.toml", "configs/*"]\n'
    '"zoo_pond.parts" = ["*.json"]\n',
    "star": '[tool.setuptools]\npackages = ["zoo_pond", "zoo_pond.parts"]\n'
    '[tool.setuptools.package-data]\n"*" = ["*.json"]\n',
    "recursive": '[tool.setuptools]\npackages = ["zoo_pond"]\n'
    '[tool.setuptools.package-data]\nzoo_pond = ["**/*.yml", "**/*.json"]\n',
    "from above": '[tool.setuptools]\npackages = ["zoo_pond", "zoo_pond.parts"]\n'
    '[tool.setuptools.package-data]\nzoo_pond = ["parts/*.json"]\n',
    "excluded": '[tool.setuptools]\npackages = ["zoo_pond"]\n'
    '[tool.setuptools.package-data]\nzoo_pond = ["*.json", "*.toml"]\n'
    '[tool.setuptools.exclude-package-data]\nzoo_pond = ["*.toml"]\n',
    "found": '[tool.setuptools.packages.find]\ninclude = ["zoo_pond*"]\n',
    "found regular": "[tool.setuptools.packages.find]\nnamespaces = false\n"
    'include = ["zoo_pond*"]\n[tool.setuptools.package-data]\nzoo_pond = ["*.toml"]\n',
    "automatic": '[tool.setuptools.package-data]\nzoo_pond = ["*.toml"]\n',
}
_HEAD = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "mmzoo-pond"
version = "0.1.0"

"""


_TOLD = """import json, sys, tomllib
from pathlib import Path
from zoo.checking.source.wheel_files import read_packaging
project, package, *files = sys.argv[1:]
document = tomllib.loads((Path(project) / "pyproject.toml").read_text())
packaging = read_packaging(Path(project), document, Path(package))
print(json.dumps({each: packaging.holds("zoo_pond", each.partition("/")[2]) for each in files}))
"""


def _told(project: Path, package: Path) -> dict[str, bool | None]:
    """Ask in a process of its own: setuptools refuses to be where another distutils is."""
    command = [sys.executable, "-c", _TOLD, project, package, *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, bool | None] = json.loads(done.stdout)
    return told


def _built(project: Path) -> set[str]:
    code = "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"
    out = project.parent / "wheels"
    command = [sys.executable, "-c", code, out]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return {name for name in archive.namelist() if name.startswith("zoo_pond/")}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("layout", ["flat", "src"])
def test_files_told_to_be_in_the_wheel_are_those_of_a_build(
    name: str, layout: str, tmp_path: Path
) -> None:
    """setuptools builds the wheel; each file is in it, or not, as told before."""
    project = tmp_path / "pond"
    text = _HEAD + TOOLS[name]
    root = project / "src" if layout == "src" else project
    if layout == "src" and "find" in name + text:
        text = text.replace("include =", 'where = ["src"]\ninclude =')
    elif layout == "src" and name != "automatic":
        text = text.replace("packages = ", 'package-dir = {"" = "src"}\npackages = ')
    for file in FILES:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("")
    (project / "pyproject.toml").write_text(text)

    told = _told(project, root / "zoo_pond")

    built = _built(project)
    assert {each for each in FILES if told[each]} == built & {*FILES}
    assert None not in told.values()


@pytest.mark.slow
@pytest.mark.mm
def test_list_of_upstream_types_is_what_openmmlab_registers_today() -> None:
    """``tools/upstream_types.py --check`` imports all of OpenMMLab and compares."""
    command = [sys.executable, ROOT / "tools" / "upstream_types.py", "--check"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
