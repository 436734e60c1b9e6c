# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin info`` says everything of a plugin from its manifest, and what of it is here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import read_catalog

RunZoo = Callable[..., subprocess.CompletedProcess[str]]

MANIFEST = """
[plugin]
name = "ponds"
version = "1.2.3"
api = 1
summary = "Ponds \\u202e in tiles"
license = "MIT"
homepage = "https://ponds.example"

[requires]
distributions = [
    "NumPy>=2",
    "no-such-distribution>=7",
    "click>=9999",
    "colorama; sys_platform == 'win32'",
]

[[dataset]]
name = "PondDataset"
task = "semantic"
target = "zoo_ponds.absent:PondDataset"
prepare = "zoo_ponds.absent:prepare"
classes = ["land", "pond"]
licence = "CC-BY-4.0"

[[dataset.option]]
name = "season"
type = "choice"
choices = ["dry", "wet"]
default = "dry"
help = "season of the tiles"

[[loss]]
name = "PondLoss"
target = "zoo_ponds.absent:PondLoss"
summary = "a loss"

[[command]]
name = "drain"
target = "zoo_ponds.absent:drain"
summary = "Drains a pond."

[[config]]
name = "pond-64"
file = "configs/pond-64.py"

[[weights]]
name = "unet_pond"
task = "semantic"
config = "pond-64"
urls = ["https://ponds.example/unet_pond.safetensors"]
sha256 = "SHA"
size_bytes = 1234567
format = "safetensors"
licence = "Apache-2.0"
data_licence = "CC-BY-4.0"
parameters = 10

[[weights.metrics]]
name = "mIoU"
value = 0.5
dataset = "ponds"
split = "test"
labels = "true"
protocol = "README.md"
""".replace("SHA", "ab" * 32)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Return a folder with the plugin, whose package raises when it is imported."""
    package = tmp_path / "plugins" / "zoo_ponds"
    (package / "configs").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "configs" / "pond-64.py").write_text("raise RuntimeError('run')\n")
    (package / "zoo_plugin.toml").write_text(MANIFEST, encoding="utf-8")
    return package.parent


def info(run_zoo: RunZoo, folder: Path, *words: str, **settings: Any) -> Any:
    done = run_zoo("plugin", "info", *words, "--json", folder=folder, plugins="ponds", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_info_json_when_asked_holds_every_part_of_the_manifest(
    run_zoo: RunZoo, plugins: Path
) -> None:
    """Nothing is imported: every module of the plugin raises or is absent."""
    found = info(run_zoo, plugins, "ponds")

    assert {key: found[key] for key in ("name", "version", "license", "api", "distribution")} == {
        "name": "ponds",
        "version": "1.2.3",
        "license": "MIT",
        "api": 1,
        "distribution": None,
    }
    assert found["package"] == str(plugins / "zoo_ponds")
    assert found["homepage"] == "https://ponds.example"
    assert [(row["requirement"], row["is_met"]) for row in found["requires"]] == [
        ("NumPy>=2", True),
        ("no-such-distribution>=7", False),
        ("click>=9999", False),
        ("colorama; sys_platform == 'win32'", None),
    ]
    (dataset,) = found["datasets"]
    assert dataset["classes"] == ["land", "pond"]
    assert dataset["has"] == ["prepare"]
    assert dataset["options"][0]["option"] == "--season"
    assert dataset["options"][0]["choices"] == ["dry", "wet"]
    assert found["rows"]["loss"][0]["target"] == "zoo_ponds.absent:PondLoss"
    assert list(found["rows"]) == ["dataset", "loss", "command"]
    assert found["configs"][0]["file"] == "configs/pond-64.py"
    (weights,) = found["weights"]
    assert (weights["name"], weights["file"], weights["size_bytes"]) == (
        "unet_pond",
        "to fetch",
        1234567,
    )
    assert found["licences"] == {"code": ["MIT"], "weights": ["Apache-2.0"], "data": ["CC-BY-4.0"]}


def test_info_when_printed_names_each_part_on_a_line_of_its_own(
    run_zoo: RunZoo, plugins: Path
) -> None:
    """Requirements with what is installed; a text from outside moves no letters."""
    done = run_zoo("plugin", "info", "zoo.ponds", folder=plugins, plugins="ponds")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ponds 1.2.3: Ponds \\u202e in tiles"
    assert "  no-such-distribution>=7  (not met: not installed)" in lines
    assert any(line.startswith("  click>=9999  (not met: click ") for line in lines)
    assert "  colorama; sys_platform == 'win32'  (not needed here)" in lines
    assert "  --season (dry|wet, default dry): season of the tiles" in lines
    assert "  PondLoss: a loss  [zoo_ponds.absent:PondLoss]" in lines
    assert "  zoo drain: Drains a pond." in lines
    assert "  unet_pond: semantic, 1.2 MB; to fetch; Apache-2.0" in lines


@pytest.mark.parametrize(
    ("name", "part"),
    [("pnods", "did you mean ponds?"), ("zzz", "zoo plugin list shows all.")],
)
def test_info_when_no_plugin_has_the_name_then_a_near_one_is_named(
    run_zoo: RunZoo, plugins: Path, name: str, part: str
) -> None:
    done = run_zoo("plugin", "info", name, folder=plugins, plugins="ponds")

    assert done.returncode == 1
    assert part in done.stderr


def test_info_when_the_manifest_is_broken_then_its_error_is_told(
    run_zoo: RunZoo, plugins: Path
) -> None:
    path = plugins / "zoo_ponds" / "zoo_plugin.toml"
    path.write_text(MANIFEST.replace('summary = "a loss"', 'sumary = "a loss"'), encoding="utf-8")

    done = run_zoo("plugin", "info", "ponds", folder=plugins, plugins="ponds")

    assert done.returncode == 1
    assert "sumary" in done.stderr


@pytest.mark.slow
def test_info_of_each_plugin_of_the_checkout_agrees_with_the_catalog(run_zoo: RunZoo) -> None:
    """As many rows, configs and weights as the catalog has of it; the text names every row."""
    catalog = read_catalog()
    names = [record.name for record in catalog.plugins if record.error is None]
    for name in names[:: max(1, len(names) // 6)]:
        done = run_zoo("plugin", "info", name, "--json", plugins=name)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)

        manifest = catalog.plugin(name).checked()
        rows = [row["name"] for rows in found["rows"].values() for row in rows]
        assert sorted(rows) == sorted(row.name for row in manifest.contributions)
        assert [row["name"] for row in found["configs"]] == [row.name for row in manifest.configs]
        newest = {row.name for row in manifest.weights}
        assert {row["name"] for row in found["weights"]} <= newest
