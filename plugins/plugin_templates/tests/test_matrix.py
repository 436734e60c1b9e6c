# SPDX-License-Identifier: Apache-2.0
"""Every combination of parts is written, and holds as far as can be seen without running it."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from zoo_plugin_templates.names import name_plugin
from zoo_plugin_templates.parts import PARTS, Plan, make_plan
from zoo_plugin_templates.rendering import render

pytestmark = pytest.mark.slow

SHORT, LONG = "q{}", "pond_tiles_of_wet_meadows_{:04d}"
ZOO = Path(sys.executable).with_name("zoo")
NAMES = [part.name for part in PARTS]


def plans() -> Iterator[Plan]:
    """Yield each combination once."""
    subsets = itertools.chain.from_iterable(
        itertools.combinations(NAMES, count) for count in range(len(NAMES) + 1)
    )
    for parts in subsets:
        for dataset in ("semantic", "instance"):
            yield make_plan(dataset, None, parts)
            if parts:
                yield make_plan(None, dataset, parts)


def write(folder: Path, texts: dict[str, str]) -> Path:
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[str, Plan]]:
    """Return the folder of each combination, under a short and a long name in turn."""
    root = tmp_path_factory.mktemp("matrix")
    found = {}
    for number, plan in enumerate(plans()):
        name = (SHORT, LONG)[number % 2].format(number)
        found[write(root / name, render(name_plugin(name), plan))] = (name, plan)
    return found


def test_matrix_is_whole(written: dict[Path, tuple[str, Plan]]) -> None:
    """A data set of either task or none, with every subset of the seven other parts."""
    assert len(NAMES) == 7
    assert len(written) == 2 * 2**7 + 2 * (2**7 - 1)
    assert len({(plan.task, plan.has_dataset, plan.parts) for _, plan in written.values()}) == 510
    assert max(len(name) for name, _ in written.values()) == 30


def test_files_are_of_their_formats_and_nothing_is_left_of_a_template(
    written: dict[Path, tuple[str, Plan]],
) -> None:
    """Python, TOML and YAML; no brace of a template, and no blank end of a line.

    Files that differ by the plugin's name alone are parsed once.
    """
    parsed: set[tuple[str, str]] = set()
    for folder, (name, _) in written.items():
        for path in (each for each in folder.rglob("*") if each.is_file()):
            text = path.read_text()
            kind = (path.suffix, text.replace(name, "NAME"))
            if kind in parsed:
                pass
            elif path.suffix == ".py":
                ast.parse(text, str(path))
            elif path.suffix == ".toml":
                tomllib.loads(text)
            elif path.suffix == ".yml":
                assert yaml.safe_load(text)["jobs"], path
            parsed.add(kind)
            left = re.sub(r"\$\{\{ matrix.python \}\}|\{\{_base_\.\w+\}\}", "", text)
            assert "{{" not in left, path
            assert "{%" not in left, path
            assert not [line for line in text.splitlines() if line != line.rstrip()], path
            assert not text or text.endswith("\n"), path
            assert not text.endswith("\n\n"), path


def test_zoo_reads_every_manifest(written: dict[Path, tuple[str, Plan]]) -> None:
    """All plugins side by side: none is broken, and no two of their commands are in conflict."""
    root = next(iter(written)).parent
    done = subprocess.run(
        [ZOO, "plugin", "list", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"ZOO_PLUGIN_PATH": str(root)},
    )

    listed = {each["name"]: each["state"] for each in json.loads(done.stdout)}
    assert {listed[name] for name, _ in written.values()} == {"ok"}


def test_modules_define_what_the_rows_name(written: dict[Path, tuple[str, Plan]]) -> None:
    """Each target, and each file of a config."""
    for folder, (name, _) in written.items():
        manifest = tomllib.loads((folder / f"zoo_{name}" / "zoo_plugin.toml").read_text())
        rows = [row for rows in manifest.values() if isinstance(rows, list) for row in rows]
        for row in rows:
            for key in ("target", "prepare", "sample"):
                module, _, wanted = row.get(key, "").partition(":")
                if module:
                    code = (folder / f"{module.replace('.', '/')}.py").read_text()
                    assert re.search(rf"^(def|class) {wanted}\b", code, re.MULTILINE), row
            assert (folder / f"zoo_{name}" / row.get("file", "zoo_plugin.toml")).is_file()


def test_static_rules_find_nothing(written: dict[Path, tuple[str, Plan]]) -> None:
    """Neither errors nor warnings: of a data set, of each part alone, and of everything."""
    checked = 0
    for folder, (name, plan) in written.items():
        if plan.has_dataset and 0 < len(plan.parts) < len(NAMES):
            continue
        if 1 < len(plan.parts) < len(NAMES):
            continue
        done = subprocess.run(
            [ZOO, "plugin", "check", folder, "--static", "--json"], capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        assert (found["plugin"], found["findings"]) == (name, [])
        checked += 1
    assert checked == 2 * (1 + 7 + 1 + 1)


def test_manifest_has_a_row_for_each_part_and_none_else(
    written: dict[Path, tuple[str, Plan]],
) -> None:
    """So does the card; the config is there for everything but a command alone."""
    for folder, (name, plan) in written.items():
        rows = tomllib.loads((folder / f"zoo_{name}" / "zoo_plugin.toml").read_text())
        found = {*rows} - {"plugin", "requires"}
        wanted = {*plan.parts} | ({"dataset"} if plan.has_dataset else set())
        if plan.has_dataset or plan.parts != ("command",):
            wanted.add("config")
        assert found == wanted, folder
        card = (folder / "README.md").read_text()
        assert all(f"\n| {_called(kind)} | " in card for kind in wanted), folder


def _called(kind: str) -> str:
    return "data set" if kind == "dataset" else kind


def test_code_is_formatted_and_passes_its_own_linter(
    written: dict[Path, tuple[str, Plan]],
) -> None:
    """With the rules that it brings, under the shortest and the longest name."""
    root = next(iter(written)).parent
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "--quiet", root],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what mypy remembers of zoo from one plugin to the next."""
    return tmp_path_factory.mktemp("types")


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_types_are_strict_of_a_plugin_with_everything(
    types: Path, tmp_path: Path, task: str
) -> None:
    """In its own settings, its tests too."""
    folder = write(tmp_path, render(name_plugin("pond_tiles"), make_plan(task, None, NAMES)))

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", types],
        cwd=folder,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_no_template_is_without_use() -> None:
    """Each folder of templates is some plan's."""
    import zoo_plugin_templates

    (place,) = zoo_plugin_templates.__path__
    folders = {path.name for path in (Path(place) / "templates").iterdir()}

    assert folders == {folder for plan in plans() for folder in plan.folders}
