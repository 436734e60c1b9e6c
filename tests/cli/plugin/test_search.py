# SPDX-License-Identifier: Apache-2.0
"""``zoo publish --source --plugin`` lists a plugin, ``zoo plugin search`` finds it elsewhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from plugin_project import FILES, write_project

from zoo.cli import main

METADATA = "Metadata-Version: 2.4\nName: mmzoo-ponds\nVersion: 1.2.3\n"
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def zoo(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


def searched(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(zoo("plugin", "search", *words, "--json").stdout)
    return found


@pytest.fixture(params=["project", "wheel"])
def plugin(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the project of a plugin, or a wheel of it."""
    if request.param == "project":
        return write_project(tmp_path / "far" / "away" / "ponds")
    path = tmp_path / "mmzoo_ponds-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in FILES.items():
            if name.startswith("zoo_ponds/"):
                archive.writestr(name, text)
        archive.writestr("mmzoo_ponds-1.2.3.dist-info/METADATA", METADATA)
    return path


def test_plugin_in_a_signed_index_is_found_by_its_words(tmp_path: Path, plugin: Path) -> None:
    """From the publisher's folder to a search on another machine, in JSON and as a table."""
    site = tmp_path / "site"
    zoo("source", "key", "new", "--out", tmp_path / "key")
    options = ["--scope", "acme", "--key", tmp_path / "key", "--homepage", "https://acme.example"]

    told = json.loads(
        zoo("publish", "--source", site, "--plugin", plugin, *options, "--json").stdout
    )
    zoo("source", "add", site)

    assert (told["rows"], told["plugins"]) == (0, 1)
    (row,) = searched("POND", "loss")
    assert row == {
        "name": "ponds",
        "version": "1.2.3",
        "source": "acme",
        "state": "not installed",
        "kinds": "config, loss",
        "summary": "Ponds",
        "distribution": "mmzoo-ponds",
        "homepage": "https://acme.example",
        "installed": None,
    }
    assert [each["name"] for each in searched("acme")] == ["ponds"]
    assert searched("ponds", "no-such-word") == []
    printed = zoo("plugin", "search", "ponds")
    assert "mmzoo-ponds" in printed.stdout
    assert "pip install DISTRIBUTION" in printed.stderr
    assert "no such plugin" in zoo("plugin", "search", "zzz").stderr


@pytest.mark.parametrize(
    ("version", "state"), [("1.2.3", "installed"), ("0.1.0", "installed 0.1.0")]
)
def test_plugin_that_is_here_says_so_in_its_version(
    tmp_path: Path, write_plugin: Write, version: str, state: str
) -> None:
    """And an unsigned source is marked in every row."""
    manifest = write_plugin("ponds") / "zoo_plugin.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", version))
    write_plugin("lakes")
    project = write_project(tmp_path / "far" / "away" / "ponds")
    zoo("publish", "--source", tmp_path / "site", "--plugin", project, "--scope", "acme")
    zoo("source", "add", tmp_path / "site", "--unsigned")

    rows = {row["name"]: row for row in searched()}

    assert rows["ponds"]["state"] == f"{state}, unsigned"
    assert rows["ponds"]["installed"] == version
    assert rows["lakes"]["state"] == "installed"
    assert rows["lakes"]["source"] is None


def test_plugin_without_a_distribution_is_not_listed(tmp_path: Path) -> None:
    project = write_project(tmp_path / "ponds", **{"pyproject.toml": None})

    done = zoo(
        "publish", "--source", tmp_path / "site", "--plugin", project, "--scope", "a", code=1
    )

    assert "nothing names its distribution" in done.stderr
    assert "HINT: give the folder of its pyproject.toml, or its wheel." in done.stderr
    assert not (tmp_path / "site").exists()
