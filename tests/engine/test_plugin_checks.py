# SPDX-License-Identifier: Apache-2.0
"""Checks that plugins add to `zoo doctor` and `zoo data check`: whatever they do is a finding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.plugin_checks import PluginFinding, doctor_findings

Write = Callable[..., Path]

ROW = """
[[check]]
name = "{name}"
target = "zoo_{plugin}.{module}:{name}"
of = "{of}"
summary = "what {name} looks at"
"""
REPORT = "report it to the plugin's author."
CODE = """
import os, sys, time
from zoo.interfaces import CheckResult


def silent():
    return []


def good():
    print("not for the table")
    yield CheckResult("version 3")
    yield CheckResult("no licence file", "warning", where="~/.key", mend="ask for one")


def raises():
    yield CheckResult("first")
    raise ValueError("two\\nlines.")


def leaves():
    sys.exit(3)


def wrong():
    return ["a text"]


def nothing():
    return None


def bad_level():
    return [CheckResult("x", "fatal")]


def needs_words(folder):
    return []


def endless():
    while True:
        yield CheckResult("more")


def sleeps():
    time.sleep(3600)


def long():
    yield CheckResult("x" * 10_000 + "\\x1b[31m")
"""
# The check -> level and beginning of each finding.
FOUND: dict[str, list[tuple[str, str]]] = {
    "silent": [("ok", "what silent looks at")],
    "good": [("ok", "version 3"), ("warning", "no licence file")],
    "raises": [("ok", "first"), ("error", "it failed: ValueError: two.")],
    "leaves": [("error", "it failed: SystemExit: 3.")],
    "wrong": [("error", "it yielded 'a text', expected a zoo.interfaces.CheckResult.")],
    "nothing": [("error", "it failed: TypeError: 'NoneType' object is not iterable.")],
    "bad_level": [("error", "it failed: ValueError: level is 'fatal', expected ok, warning or")],
    "needs_words": [("error", "it failed: TypeError: needs_words() missing 1 required")],
    "endless": [
        *[("ok", "more")] * 1_000,
        ("warning", "it has more to say, of which the first 1,000 are shown."),
    ],
    "sleeps": [("error", "it did not end: it took more than 0.5 s.")],
    "long": [("ok", "x" * 2_000)],
    "absent": [("error", "it did not run: cannot load check 'absent': module zoo_odd.code has no")],
}


def _rows(plugin: str, names: list[str], of: str, module: str = "code") -> str:
    return "".join(ROW.format(name=n, plugin=plugin, of=of, module=module) for n in names)


@pytest.mark.parametrize("name", FOUND)
def test_check_of_machine_whatever_it_does_is_a_finding(
    write_plugin: Write, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """Raised, ended, yielded, slept: each is one row, stdout is clean, and the next check runs."""
    write_plugin("odd", _rows("odd", [name], "doctor"), code=CODE)
    write_plugin("zeal", _rows("zeal", ["silent"], "doctor"), code=CODE)

    findings = list(doctor_findings(timeout_s=0.5))

    own = [finding for finding in findings if finding.plugin == "odd"]
    assert [finding.level for finding in own] == [level for level, _ in FOUND[name]]
    for finding, (_, begins) in zip(own, FOUND[name], strict=True):
        assert finding.found.startswith(begins)
        assert len(finding.found) <= 2_000
    assert findings[-1].name == "zeal.silent"
    assert capfd.readouterr().out == ""


def test_check_keeps_where_and_mend_of_its_results(write_plugin: Write) -> None:
    write_plugin("odd", _rows("odd", ["good"], "doctor"), code=CODE)

    *_, last = doctor_findings()

    wanted = PluginFinding("odd", "good", "warning", "no licence file", "~/.key", "ask for one")
    assert last == wanted
    assert last.text() == "odd.good: ~/.key: no licence file"


def test_check_whose_plugin_lacks_a_package_is_a_warning(write_plugin: Write) -> None:
    """A machine without an optional package is not broken; the line that installs it is told."""
    rows = _rows("odd", ["silent"], "doctor")
    write_plugin("odd", '[requires]\ndistributions = ["no-such-thing>=2"]\n' + rows, code=CODE)

    (finding,) = doctor_findings()

    assert finding.level == "warning"
    assert "no-such-thing" in finding.mend


def test_listing_checks_imports_none_of_the_other_command(write_plugin: Write) -> None:
    """A doctor check's module is not imported by `data check`, nor the other way round."""
    write_plugin("odd", _rows("odd", ["silent"], "data", "boom"), boom="raise OSError('no')\n")

    assert list(doctor_findings()) == []


DATA_CODE = """
from zoo.interfaces import CheckResult


def counts(prepared):
    for row in prepared.files:
        if row.split == "test":
            yield CheckResult(f"{row.width_px} px wide", LEVEL, f"images/{row.stem}.png", "crop it")


def raises(prepared):
    raise KeyError("x")
"""


def _check(folder: Path, plugins: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(plugins)}
    command = [sys.executable, "-m", "zoo", "data", "check", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(
    ("plugin", "name", "level", "code"),
    [
        ("hats", "counts", "ok", 0),
        ("hats", "counts", "warning", 0),
        ("hats", "counts", "error", 1),
        ("hats", "raises", "ok", 1),
    ],
)
def test_data_check_shows_what_plugins_find(
    write_plugin: Write, squares_data: Path, plugin: str, name: str, level: str, code: int
) -> None:
    """An error ends with 1, and JSON holds each finding; a warning or a fact ends with 0."""
    text = DATA_CODE.replace("LEVEL", repr(level))
    package = write_plugin(plugin, _rows(plugin, [name], "data"), code=text)

    said = _check(squares_data, package.parent)
    told = _check(squares_data, package.parent, "--json")

    document: dict[str, Any] = json.loads(told.stdout)
    assert said.returncode == told.returncode == code, said.stderr
    assert document["ok"] is (code == 0)
    assert {row["plugin"] for row in document["checks"]} == {plugin}
    assert document["problems"] == [
        ": ".join(filter(None, (f"{plugin}.{name}", row["where"], row["found"])))
        for row in document["checks"]
        if row["level"] == "error"
    ]
    assert f"{plugin}.{name}: " in said.stdout
    assert "" not in said.stdout.splitlines()
    assert ("ok: " in said.stdout) is (code == 0)
    assert "Traceback" not in said.stderr
    if name == "counts":
        assert said.stdout.count("to mend hats.counts: crop it") == 1
        assert said.stdout.count("warning: ") == (3 if level == "warning" else 0)


@pytest.mark.parametrize(("plugin", "runs"), [("squares", True), ("hats", False)])
def test_data_check_of_one_data_set_looks_at_its_folders_only(
    write_plugin: Write, squares_data: Path, plugin: str, runs: bool
) -> None:
    """A row that names a data set does not see folders of another plugin's set of that name."""
    from zoo.data import read_prepared
    from zoo.engine.plugin_checks import data_findings

    dataset = f'[[dataset]]\nname = "SquareDataset"\ntarget = "zoo_{plugin}.code:counts"\n'
    dataset += 'task = "semantic"\nclasses = ["a"]\nlicence = "none"\n'
    rows = _rows(plugin, ["counts"], "data") + 'dataset = "SquareDataset"\n' + dataset
    write_plugin(plugin, rows, code=DATA_CODE.replace("LEVEL", "'ok'"))

    started = time.monotonic()
    findings = list(data_findings(read_prepared(squares_data)))

    assert bool(findings) is runs
    assert time.monotonic() - started < 30


def test_data_check_of_a_broken_folder_asks_no_plugin(
    write_plugin: Write, squares_data: Path, tmp_path: Path
) -> None:
    """Checks of plugins may rely on files that are there and can be decoded."""
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(squares_data, broken)
    next((broken / "masks").iterdir()).unlink()
    package = write_plugin("hats", _rows("hats", ["raises"], "data"), code=DATA_CODE)

    said = _check(broken, package.parent)

    assert said.returncode == 1
    assert "hats" not in said.stdout
    assert "No such file" in said.stdout
