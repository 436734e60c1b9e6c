# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin check`` finds a plugin by every kind of path, and ends with the right code."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zoo.catalog import forget_catalog
from zoo.cli import main

HEADER = """[plugin]
name = "pond"
version = "0.1.0"
api = 1
summary = "ponds"
license = "Apache-2.0"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a plugin that has a manifest and a package, and nothing else."""
    package = tmp_path / "pond" / "zoo_pond"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import zoo\n")
    (package / "zoo_plugin.toml").write_text(HEADER)
    return package.parent


def _check(path: str | Path, *options: str) -> tuple[int, dict[str, Any]]:
    words = ["plugin", "check", str(path), "--static", "--json", *options]
    result = CliRunner().invoke(main, words)
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def test_check_when_several_keys_are_wrong_tells_each_with_its_line(project: Path) -> None:
    """One run shows all that is wrong: three keys of the header, and one of a row."""
    text = HEADER.replace('"0.1.0"', '"soon"').replace('summary = "ponds"\n', "sumary = 1\n")
    row = '\n[[loss]]\nname = "Edge"\ntarget = "zoo_lake.loss:Edge"\n'
    (project / "zoo_pond" / "zoo_plugin.toml").write_text(text + row)

    code, told = _check(project)

    manifest = project / "zoo_pond" / "zoo_plugin.toml"
    found = {
        (each["where"], each["message"].partition(", expected")[0]) for each in told["findings"]
    }
    assert code == 1
    assert {
        (f"{manifest}:3", "[plugin] version is 'soon'"),
        (f"{manifest}:1", "[plugin] lacks the key 'summary'"),
        (f"{manifest}:5", "[plugin] has the unknown key 'sumary'"),
        (f"{manifest}:10", "[[loss]] 'Edge' target is 'zoo_lake.loss:Edge'"),
    } <= found
    assert {each["rule"] for each in told["findings"]} >= {"ZP102"}


@pytest.mark.parametrize("inside", [".", "zoo_pond", "zoo_pond/zoo_plugin.toml"])
def test_check_finds_the_plugin_from_each_of_its_paths(project: Path, inside: str) -> None:
    """A project, a package and a manifest name the same plugin."""
    assert _check(project / inside)[1]["plugin"] == "pond"


def test_check_of_a_wheel_reads_what_it_holds(project: Path, tmp_path: Path) -> None:
    """A wheel is unpacked for the check, and nothing of it stays."""
    wheel = tmp_path / "mmzoo_pond-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (project / "zoo_pond").iterdir():
            archive.write(path, f"zoo_pond/{path.name}")

    code, told = _check(wheel)

    assert (code, told["plugin"]) == (0, "pond")


def test_check_of_a_wheel_names_places_in_the_wheel(tmp_path: Path) -> None:
    """A place in a folder that is gone would lead nowhere."""
    wheel = tmp_path / "mmzoo_pond-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("zoo_pond/__init__.py", "import zoo\n")
        archive.writestr("zoo_pond/zoo_plugin.toml", HEADER.replace("0.1.0", "one"))

    told = _check(wheel)[1]

    assert [each["where"] for each in told["findings"]] == [f"{wheel}/zoo_pond/zoo_plugin.toml:3"]


def test_check_of_a_name_finds_the_plugin_in_the_catalog(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that cannot be used is found too: that is when one checks it."""
    manifest = project / "zoo_pond" / "zoo_plugin.toml"
    manifest.write_text(HEADER.replace("api = 1", 'api = "one"'))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(project))
    forget_catalog()

    code, told = _check("pond")

    assert (code, told["plugin"]) == (1, "pond")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["plugin", "check", "no_such_plugin"], 1, "no plugin named 'no_such_plugin'"),
        (["plugin", "check", "."], 1, "no zoo_plugin.toml"),
        (["plugin", "check", "card.md"], 1, "cannot check 'card.md': it is no zoo_plugin.toml"),
        (["plugin", "check"], 2, "Missing argument"),
        (["plugin", "check", ".", "--static", "--deep"], 2, "give one of them"),
    ],
)
def test_check_when_there_is_nothing_to_check_says_so(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is unknown fails; words that mean nothing are wrong usage."""
    monkeypatch.chdir(tmp_path)
    Path("card.md").touch()

    result = CliRunner().invoke(main, words)

    assert result.exit_code == code
    assert said in result.output


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".py", '_base_ = ["nope.py"]\n_data_ = "zoo.pond.PondDataset"\n'),
        (".py", '_base_ = ["nope.py"]\n_data_ = dict(type="zoo.pond.PondDataset")\n'),
        (".json", '{\n"_base_": ["nope.py"], "_data_": "zoo.pond.PondDataset"}\n'),
    ],
)
def test_check_reads_bases_with_names_and_the_data_set_of_a_config(
    project: Path, suffix: str, text: str
) -> None:
    """A ``[[base]]`` row is checked as a config is, and ``_data_`` names a type."""
    row = f'\n[[base]]\nname = "ponds"\nfile = "ponds{suffix}"\npart = "data"\n'
    (project / "zoo_pond" / "zoo_plugin.toml").write_text(HEADER + row)
    (project / "zoo_pond" / f"ponds{suffix}").write_text(text)

    _, told = _check(project)

    found = {(each["rule"], each["where"].rpartition("zoo_pond/")[2]) for each in told["findings"]}
    lines = (1, 2) if suffix == ".py" else (2, 2)
    assert {
        ("ZP302", f"ponds{suffix}:{lines[0]}"),
        ("ZP304", f"ponds{suffix}:{lines[1]}"),
    } <= found


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("zoo.pond.EdgeLos", "zoo.pond.EdgeLoss"),
        ("zoo.EdgeLos", "zoo.pond.EdgeLoss"),
        ("zoo.pond.Quxmorph", None),
        ("zoo.Quxmorph", None),
    ],
)
def test_check_suggests_types_of_similar_names_alone(
    project: Path, written: str, near: str | None
) -> None:
    """Types that share nothing but their plugin are no near ones."""
    rows = '\n[[base]]\nname = "ponds"\nfile = "ponds.py"\npart = "data"\n'
    for name in ("EdgeLoss", "ShoreWeight", "DepthHook"):
        rows += f'\n[[loss]]\nname = "{name}"\ntarget = "zoo_pond.parts:{name}"\n'
    (project / "zoo_pond" / "zoo_plugin.toml").write_text(HEADER + rows)
    (project / "zoo_pond" / "ponds.py").write_text(f'loss = dict(type="{written}")\n')

    _, told = _check(project)

    (found,) = (each for each in told["findings"] if each["rule"] == "ZP304")
    suggested = re.findall(r"zoo\.\w+\.\w+", found["mend"])
    assert suggested == ([near] if near else [])


@pytest.mark.parametrize(("version", "rules"), [("0.1.0", set()), ("0.0.9", {"ZP204"})])
def test_check_of_an_installed_plugin_compares_its_metadata(
    version: str, rules: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip wrote beside the package takes the place of pyproject.toml."""
    site = tmp_path / "site"
    (site / "zoo_pond").mkdir(parents=True)
    (site / "zoo_pond" / "__init__.py").write_text("import zoo\n")
    (site / "zoo_pond" / "zoo_plugin.toml").write_text(HEADER)
    info = site / f"mmzoo_pond-{version}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.4\nName: mmzoo-pond\nVersion: {version}\n"
    (info / "METADATA").write_text(f"{head}License-Expression: Apache-2.0\n\n# Ponds\n")
    (info / "entry_points.txt").write_text("[zoo.plugins]\npond = zoo_pond\n")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(site))
    forget_catalog()

    code, told = _check("pond")

    assert {each["rule"] for each in told["findings"]} == rules
    assert code == bool(rules)


def test_data_for_numbers_needs_the_stage_that_measures_them(project: Path) -> None:
    """Else data would be given, nothing measured, and nobody told."""
    result = CliRunner().invoke(main, ["plugin", "check", str(project), "--data", str(project)])

    assert result.exit_code == 2
    assert "--data is for numbers of weights, which only --deep measures" in result.output
