# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes that were made to stop zoo: each is a marked row, and the others work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.catalog import forget_catalog
from zoo.cli import main

HEADER = """
[plugin]
name = "hostile"
version = "0.1.0"
api = 1
summary = "hostile"
license = "MIT"
"""
CONFIG = '[[config]]\nname = "c"\nfile = "{}"\n'
DATASET = (
    '[[dataset]]\nname = "D"\ntask = "semantic"\ntarget = "zoo_hostile.d:D"\n'
    'licence = "MIT"\nclasses = {}\n'
)
OPTION = '[[dataset.option]]\nname = "o"\ntype = "int"\nhelp = "o"\ndefault = {}\n'
WEIGHTS = (
    '[[weights]]\nname = "w"\ntask = "semantic"\nconfig = "c"\nurls = ["https://example.org/w"]\n'
    f'sha256 = "{"ab" * 32}"\nsize_bytes = {{}}\nformat = "pth"\nlicence = "MIT"\n'
    'data_licence = "MIT"\nparameters = 1\nmetrics = [{{ name = "m", value = {}, dataset = "d", '
    'split = "test", labels = "true", protocol = "p" }}]\n'
)
CLASSES_60_000 = "[" + ", ".join(f'"class {number}"' for number in range(60_000)) + "]"
MANIFESTS: dict[str, tuple[str | bytes, str]] = {
    # the manifest, what is said of it
    "nested": (f"{HEADER}[requires]\na = {'[' * 2_000}", "nested too deeply"),
    "400 digits": (HEADER + WEIGHTS.format(1, "9" * 400), "an integer beyond 64 bits"),
    "5,000 digits": (HEADER + WEIGHTS.format("9" * 5_000, 1), "an integer beyond 64 bits"),
    "hex": (HEADER + WEIGHTS.format("0x" + "f" * 5_000, 1), "an integer beyond 64 bits"),
    "api in hex": (HEADER.replace("api = 1", "api = 0x" + "f" * 999), "an integer beyond 64 bits"),
    "option": (HEADER + DATASET.format('["a"]') + OPTION.format("9" * 400), "beyond 64 bits"),
    "not a number": (HEADER + WEIGHTS.format(1, "nan"), "value is nan, expected a finite number"),
    "long name of a file": (HEADER + CONFIG.format("x" * 300), "there is no such file"),
    "long path": (HEADER + CONFIG.format("x/" * 2_000 + "x"), "characters, expected at most"),
    "NUL": (HEADER + CONFIG.format("a\\u0000b"), "holds a NUL"),
    "60,000 classes": (HEADER + DATASET.format(CLASSES_60_000), "60,000 strings"),
    "class twice": (
        HEADER + DATASET.format(CLASSES_60_000.replace("[", '["class 9", ', 1)),
        "60,001 strings",
    ),
    "date for a name": (HEADER.replace('"0.1.0"', "2020-01-02"), "version is 2020-01-02, expected"),
    "truth for a number": (HEADER.replace("api = 1", "api = true"), "api is True, expected"),
    "UTF-16": (HEADER.encode("utf-16"), "its manifest is UTF-16 text, expected UTF-8"),
    "latin 1": (HEADER.encode() + b"# \xe9", "its manifest is not UTF-8 text"),
    "long summary": (HEADER.replace('"hostile"\nl', f'"{"x" * 9_999}"\nl'), "9,999 characters"),
    "empty": ("", "lacks the key 'plugin'"),
}
COMMANDS = [
    ("list",),
    ("list", "--legacy"),
    ("list", "--json"),
    ("info", "good"),
    ("plugin", "list"),
    ("plugin", "list", "--json"),
    ("config", "list"),
    ("data", "list"),
    ("data", "list", "--json"),
    ("cache", "ls"),
    ("verify",),
]
INDEX = (
    '{{"format": 1, "sources": [], "licence": "MIT", "data_licence": "MIT", "columns": ["name", '
    '"task", "tasks", "config", "architecture", "datasets", "metrics", "memory_gb", "url", '
    '"sha256_prefix", "note"], "rows": [["old", {task}, {tasks}, null, [], [], {metrics}, '
    '{memory}, "https://example.org/o.pth", null, null]]}}'
)
GOOD_CELLS = {"task": '"semantic"', "tasks": '["semantic"]', "metrics": "[]", "memory": "1"}
INDEXES = {
    "tasks in a list": (INDEX.format(**{**GOOD_CELLS, "tasks": '[["semantic"]]'}), "tasks is"),
    "task in a list": (INDEX.format(**{**GOOD_CELLS, "task": '["semantic"]'}), "task is"),
    "400 digits": (INDEX.format(**{**GOOD_CELLS, "memory": "9" * 400}), "beyond 64 bits"),
    "5,000 digits": (INDEX.format(**{**GOOD_CELLS, "memory": "9" * 5_000}), "beyond 64 bits"),
    "infinity": (INDEX.format(**{**GOOD_CELLS, "memory": "Infinity"}), "expected finite ones"),
    "metric": (INDEX.format(**{**GOOD_CELLS, "metrics": '[["m", true, "d"]]'}), "metrics is"),
    "nested": ("[" * 100_000, "nested too deeply"),
    "key twice": ('{"format": 1, "format": 1}', "the key 'format' twice"),
    "truth for a number": ('{"format": true}', "its format is True, expected 1"),
}


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "plugins"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))


@pytest.fixture
def hostile(write_plugin: Callable[..., Path]) -> Path:
    """Write a good plugin and a package for the hostile one; gives the place of its manifest."""
    rows = '[[loss]]\nname = "Good"\ntarget = "zoo_good.loss:Good"\n'
    write_plugin("good", rows, folder="plugins/good", loss="class Good: ...")
    path = write_plugin("hostile", folder="plugins/hostile") / "zoo_plugin.toml"
    path.unlink()
    return path


def listed(*args: str) -> str:
    """Run a command in this process, and return what it printed; it must exit 0 in time."""
    forget_catalog()
    began = time.process_time()  # what else the machine does must not decide
    result = CliRunner().invoke(main, list(args))
    assert time.process_time() - began < 20, args  # a square of 60,000 takes minutes
    assert result.exit_code == 0, (args, result.exception, result.output)
    return result.output


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_that_is_hostile_is_a_marked_row_of_every_listing(
    hostile: Path, name: str
) -> None:
    """All commands exit 0 in two seconds, the other plugin is listed, and the reason is said."""
    text, reason = MANIFESTS[name]
    hostile.write_bytes(text.encode() if isinstance(text, str) else text)

    output = {args: listed(*args) for args in COMMANDS}

    told = output["plugin", "list"]
    states = {line.split()[0]: line.split()[2] for line in told.splitlines()[1:3]}
    assert states == {"good": "ok", "hostile": "broken"}
    assert reason in told
    assert max(map(len, told.splitlines())) < 2_000


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "its manifest is a named pipe, expected a regular file"),
        ("folder", "its manifest is a folder, expected a regular file"),
        ("device", "its manifest is a device, expected a regular file"),
        ("6 GB", "its manifest has 6,442,450,944 bytes, expected at most 1,048,576"),
        ("loop", "Too many levels of symbolic links"),
        ("broken link", "No such file or directory"),
    ],
)
def test_manifest_that_is_no_file_is_a_marked_row(hostile: Path, kind: str, reason: str) -> None:
    """Nothing is waited for, and nothing large is read."""
    if kind == "pipe":
        os.mkfifo(hostile)
    elif kind == "folder":
        hostile.mkdir()
    elif kind == "6 GB":
        with hostile.open("wb") as stream:
            stream.truncate(6 * 2**30)
    else:
        targets = {"device": "/dev/zero", "loop": hostile.name, "broken link": "gone"}
        hostile.symlink_to(targets[kind])

    told = {args: listed(*args) for args in COMMANDS}["plugin", "list"]

    assert reason in told
    assert "good" in told


def test_folder_that_leads_to_itself_hides_no_plugin(hostile: Path) -> None:
    """A link that loops is no folder; the plugins beside it are found."""
    loop = hostile.parents[2] / "loop"
    loop.symlink_to(loop)

    assert "good" in listed("plugin", "list")


@pytest.mark.parametrize("name", INDEXES)
def test_index_that_is_hostile_hides_no_weights(hostile: Path, name: str) -> None:
    """All commands exit 0 in two seconds, and `zoo list --legacy` says what is wrong with it."""
    text, reason = INDEXES[name]
    hostile.write_text(f'{HEADER}[[legacy_index]]\nfile = "old.json"\n')
    (hostile.parent / "old.json").write_text(text)

    output = {args: listed(*args) for args in COMMANDS}

    assert "cannot use the legacy index of plugin 'hostile'" in output["list", "--legacy"]
    assert reason in output["list", "--legacy"]
