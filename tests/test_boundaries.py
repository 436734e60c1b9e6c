# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: every import statement of the repository, walked.

The rules of packages leave out imports under ``if TYPE_CHECKING``, which do not run; those of
rooms, circles and private names count them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from zoo.checking.static.requirements import PUBLIC

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
    "zoo.documents",
    "zoo.fields",
    "zoo.texts",
    "zoo.files",
    "zoo.folders",
    "zoo.progress",
)
RULES = {
    "zoo/__init__.py": rule("zoo._extension", "zoo.faces", "zoo.version"),
    "zoo/faces.py": rule(),
    "zoo/progress.py": rule(lazily={"tqdm"}),
    "zoo/__main__.py": rule("zoo.cli"),
    "zoo/_extension.py": rule(),
    "zoo/version.py": rule(),
    "zoo/texts.py": rule(),
    "zoo/documents.py": rule(),
    "zoo/fields.py": rule("zoo.documents", "zoo.texts"),
    "zoo/errors.py": rule("zoo.texts"),
    "zoo/files.py": rule("zoo.errors", lazily={"filelock"}),
    "zoo/folders.py": rule("zoo.errors", "zoo.files", "zoo.texts", lazily={"platformdirs"}),
    "zoo/names.py": rule(),
    "zoo/manifest": rule(*BASE, lazily={"packaging"}),
    "zoo/catalog": rule(*BASE, "zoo.manifest", "zoo.version"),
    "zoo/loading.py": rule(*BASE, "zoo.manifest", "zoo.catalog"),
    "zoo/registry.py": rule(
        *BASE, "zoo.manifest", "zoo.catalog", "zoo.loading", others={"mmengine"}
    ),
    "zoo/interfaces": rule(),
    "zoo/conversion": rule("zoo.errors", "zoo.faces", lazily={"torch"}),
    "zoo/data": rule(
        *(*BASE, "zoo.faces"),
        lazily={"numpy", "cv2", "pycocotools", "simplejpeg", "PIL", "rasterio", "matplotlib"},
    ),
    "zoo/weights": rule(
        *(*BASE, "zoo.manifest", "zoo.catalog", "zoo.faces", "zoo.version"),
        lazily={"requests", "urllib3", "filelock", "platformdirs", "cryptography", "packaging"},
    ),
    "zoo/ops": rule("zoo.errors", others={"torch"}),
    "zoo/engine": rule(
        *(*BASE, "zoo.manifest", "zoo.catalog", "zoo.loading", "zoo.registry", "zoo.interfaces"),
        *("zoo.data", "zoo.weights", "zoo.ops", "zoo._extension", "zoo.version", "zoo.conversion"),
        others={"torch", "numpy", "cv2", "safetensors", "packaging", *MM},
        lazily={
            *("matplotlib", "PIL", "tqdm", "rasterio", "affine", "shapely", "pyproj", "yaml"),
            "tomlkit",
        },
    ),
    "zoo/checking": rule(
        *(*BASE, "zoo.manifest", "zoo.catalog", "zoo.loading", "zoo.interfaces"),
        *("zoo.data", "zoo.engine", "zoo.weights", "zoo.version"),
        lazily={"filelock", "packaging", "setuptools", "torch", "numpy", "cv2", *MM},
    ),
    "zoo/testing": rule(
        *(*BASE, "zoo.manifest", "zoo.catalog", "zoo.loading", "zoo.interfaces"),
        *("zoo.data", "zoo.engine", "zoo.weights", "zoo.checking"),
        others={"pytest"},
        lazily={"torch", "numpy", "cv2", *MM},
    ),
    "zoo/cli": rule(
        "zoo", others={"click"}, lazily={"torch", "numpy", "cv2", "packaging", "platformdirs", *MM}
    ),
    "tools": rule(
        "zoo",
        others={
            *("faulty_server", "http_faults", "loopback_hub", "download_faults"),
            *("demonstration", "terminal"),
            *("evidence", "listed_types", "shipped_configs"),
            *("overviews", "generated_files", "manifest_keys", "manifest_schema"),
            *("document_checks", "document_kinds", "document_mutator", "document_reading"),
            "document_seeds",
            *(
                "document_surroundings",
                "drill_models",
                "drill_runs",
                "killing",
                "drilling",
                "drill_disks",
            ),
        },
        lazily={
            *("numpy", "cv2", "click", "mmengine", "sweep_upstream"),
            *("matplotlib", "pycocotools", "rasterio", "torch", "zoo_torchvision_weights"),
            "onnx",
        },
    ),
}
# The floors of each wing, the lowest first. A room imports rooms of lower floors alone, for types
# too: an import that a type checker alone follows ties two rooms as tightly for a reader.
FLOORS = {
    "zoo": (
        {"_extension", "documents", "faces", "names", "progress", "texts", "version"},
        {"errors", "fields"},
        {"conversion", "files", "ops"},
        {"folders"},
        {"data", "manifest"},
        {"catalog", "interfaces"},
        {"loading", "weights"},
        {"registry"},
        {"engine"},
        {"checking"},
        {"testing"},
        {"cli"},
        {"__main__"},
    ),
    "zoo/data": (
        {"draft", "geometry", "reasons", "staging"},
        {"report"},
        {"coco", "source"},
        {"decoders"},
        {"bands", "pictures"},
        {"layout"},
        {"prepare"},
    ),
    "zoo/weights": (
        {"hub", "legacy", "licences", "lock_file", "rescue", "row_check"},
        {"cache", "file_facts", "lock"},
        {"files", "staging"},
        {"fetching"},
        {"sources"},
        {"by_name", "replacing"},
        {"download"},
        {"by_address"},
        {"source_files"},
    ),
    "zoo/engine": (
        {
            *("metric_facts", "patching", "processes", "random_state", "scenes"),
            *("overlays", "plugin_options", "worker_errors"),
        },
        {"plugin_files", "stepping", "threads", "worker_ends"},
        {"cleaning", "config_parts", "machine", "plugin_code"},
        {"config_files", "exchanges", "records", "worker_memory"},
        {"checkpoints", "config"},
        {"dataset", "imports", "plugin_checks", "preparation", "resuming"},
        {"adoption"},
        {"locking", "provenance"},
        {"work_dir"},
        {"recording"},
        {"prediction", "runs"},
        {"exported", "measuring", "prediction_files"},
        {"publishing", "reproducing"},
    ),
}
MOST_MODULES = 16
PLUGIN = rule(
    *("zoo.errors", "zoo.data", "zoo.interfaces", "zoo.documents", "zoo.texts", "zoo.conversion")
)
PLUGIN_TESTS = rule("zoo.errors", "zoo.data", "zoo.interfaces", "zoo.testing")


def _is_within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def _imports(path: Path) -> Iterator[Import]:
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), path, in_function=False)


def _module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _names_imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of every import from zoo, in functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            yield from ((base, alias.name) for alias in node.names if _is_within(base, "zoo"))
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if _is_within(alias.name, "zoo"))


MODULES = {_module_of(path): path for path in sorted((ROOT / "zoo").rglob("*.py"))}


@cache
def _modules_imported(path: Path) -> frozenset[str]:
    """Return the modules of zoo that a file imports; of a name, the module that holds it."""
    found = {
        f"{base}.{name}" if f"{base}.{name}" in MODULES else base
        for base, name in _names_imported(path)
    }
    return frozenset(found & set(MODULES))


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


# Plugins without a row, which know nothing of zoo and are installed without it: docs/adr/0024.
LIBRARIES = frozenset({"zoo_runtime"})


def test_libraries_import_nothing_of_zoo() -> None:
    """What others may import stands on its own; its tests compare it with zoo."""
    broken = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in _plugin_files()
        if "tests" not in path.parts and LIBRARIES & set(path.parts)
        for found in _imports(path)
        if found.top == "zoo"
    ]

    assert broken == []


def test_imports_of_plugins_are_public_and_of_no_other_plugin() -> None:
    broken = []
    for path in _plugin_files():
        own = f"zoo_{path.relative_to(ROOT / 'plugins').parts[0]}"
        allowed = PLUGIN_TESTS if "tests" in path.parts else PLUGIN
        for found in _imports(path):
            is_other = found.top.startswith("zoo_") and found.top not in {own, *LIBRARIES}
            is_private = found.top == "zoo" and allowed.refuses(found)
            if is_other or is_private:
                broken.append(f"{path.relative_to(ROOT)}:{found.line} imports {found.module}")

    assert broken == []


def test_rule_for_authors_takes_what_shipped_plugins_import() -> None:
    """ZP210 of ``zoo plugin check`` and this page hold plugins to the same modules."""
    assert set(PUBLIC) == set(PLUGIN.zoo)


def test_packages_of_plugins_import_zoo_first_of_all() -> None:
    """A spawned worker that unpickles a plugin's class needs zoo's finder before mmdet."""
    packages = [path for path in _plugin_files() if path.name == "__init__.py"]
    tops = [path for path in packages if path.parent.name.startswith("zoo_")]
    tops = [path for path in tops if path.parent.name not in LIBRARIES]

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


def _place_in(module: str, wing: str) -> str | None:
    """Return the room of a wing, or its file, that a module belongs to; None of its face."""
    start = f"{wing.replace('/', '.')}."
    return module.removeprefix(start).partition(".")[0] if module.startswith(start) else None


@pytest.mark.parametrize("wing", FLOORS)
def test_rooms_of_a_wing_import_from_lower_floors_alone(wing: str) -> None:
    """Imports for types count: so no two rooms of a wing know each other."""
    floors = {place: level for level, places in enumerate(FLOORS[wing]) for place in places}

    upward = [
        f"{module} imports {found}"
        for module, path in MODULES.items()
        for found in sorted(_modules_imported(path))
        if (own := _place_in(module, wing)) and (other := _place_in(found, wing))
        if own != other and floors[other] >= floors[own]
    ]

    assert upward == []


@pytest.mark.parametrize("wing", FLOORS)
def test_floors_of_a_wing_name_each_room_once(wing: str) -> None:
    named = [place for places in FLOORS[wing] for place in places]

    there = {place for module in MODULES if (place := _place_in(module, wing)) is not None}

    assert sorted(named) == sorted(there)


def test_modules_of_zoo_import_each_other_in_no_circle() -> None:
    """Within a room too. What imports nothing that is left is taken away until only circles are."""
    left = {module: _modules_imported(path) - {module} for module, path in MODULES.items()}

    while free := {module for module, needs in left.items() if not needs & set(left)}:
        for module in free:
            del left[module]

    assert sorted(left) == []


def test_no_folder_of_zoo_holds_more_modules_than_one_reads_at_a_glance() -> None:
    folders = {path.parent for path in MODULES.values()}
    counts = {str(each.relative_to(ROOT)): len(list(each.glob("*.py"))) for each in folders}

    assert {name: count for name, count in counts.items() if count > MOST_MODULES} == {}


def test_no_module_imports_a_private_name_of_another() -> None:
    private = [
        f"{module}: {base}.{name}"
        for module, path in MODULES.items()
        for base, name in _names_imported(path)
        if name.startswith("_") and not name.startswith("__") and f"{base}.{name}" not in MODULES
    ]

    assert private == []


def _rooms() -> list[str]:
    """Return the packages whose face lists modules: those that lie in a wing, and the manifest."""
    deep = [module for module, path in MODULES.items() if path.name == "__init__.py"]
    return [module for module in deep if module.count(".") > 1 or module == "zoo.manifest"]


@pytest.mark.parametrize("room", _rooms())
def test_a_room_is_entered_by_the_modules_that_its_face_lists(room: str) -> None:
    """``__all__`` of a room says what others may use, and names nothing that nobody does."""
    tree = ast.parse(MODULES[room].read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    value = assigned[-1].value
    listed = None if value is None else ast.literal_eval(value)

    used = {
        found.removeprefix(f"{room}.")
        for module, path in MODULES.items()
        if not _is_within(module, room)
        for found in _modules_imported(path)
        if found.startswith(f"{room}.")
    }

    assert sorted(used) == listed


def test_architecture_tells_the_story_of_each_room() -> None:
    """A room without a story, or a story without its room, is a page that nobody can trust."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(zoo/[\w/]*)` \| \S", text, re.MULTILINE)

    there = {f"{path.parent.relative_to(ROOT)}/" for path in MODULES.values()}

    assert sorted(told) == sorted(there)
