# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor`` tells what works from what does not, and how to fix it."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.cli import doctor, main

pytestmark = pytest.mark.mm

MANIFEST = """
[plugin]
name = "needy"
version = "0.1.0"
api = 1
summary = "Wants what nobody has"
license = "MIT"

[requires]
distributions = ["surely-not-installed>=3"]
"""


def test_doctor_when_all_is_well_ends_with_0_and_names_the_ops() -> None:
    """The environment that runs the tests is sound."""
    result = CliRunner().invoke(main, ["doctor", "--json"])

    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert rows["mmcv ops"]["found"] == "zoo.ops, in plain torch"
    assert rows["torch"]["found"].startswith("torch 2.")


@pytest.mark.slow  # it imports everything, in processes of their own
def test_doctor_when_a_plugin_needs_what_is_missing_says_how_to_fix_it(tmp_path: Path) -> None:
    """A plugin whose needs are not installed is named, with the command that installs them."""
    package = tmp_path / "needy" / "zoo_needy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "zoo_plugin.toml").write_text(MANIFEST)

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 0
    assert re.search(r"plugin needy +missing +cannot use plugin 'needy'", result.stdout)
    line = re.search(r"to fix plugin needy:\n  (.*)", result.stdout)
    assert line is not None
    assert shlex.split(line[1])[1:] == ["-m", "pip", "install", "surely-not-installed>=3"]


@pytest.mark.slow
def test_doctor_when_a_manifest_is_torn_ends_with_1(tmp_path: Path) -> None:
    """What is there and cannot work is broken."""
    package = tmp_path / "torn" / "zoo_torn"
    package.mkdir(parents=True)
    (package / "zoo_plugin.toml").write_text("[plugin")

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert re.search(r"plugin torn +broken", result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "reason"),
    [("assert False, 'MMCV==2.2.0 is not compatible'", "MMCV==2.2.0 is not"), ("1 .x", "'int'")],
    ids=["assertion", "attribute"],
)
def test_doctor_when_a_package_refuses_to_be_imported_says_why_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    """mmseg and mmdet assert that the versions beside them suit them."""
    (tmp_path / "moody.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, "_STACK", {"moody": ("pytest",), "torch": ("torch",)})

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert f"import fails: {reason}" in result.stdout


def test_doctor_when_a_package_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without torch nothing can be trained or predicted, so that is a failure."""
    monkeypatch.setattr(doctor, "_STACK", {"torch": ("surely-not-installed",)})

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert re.search("^torch +missing +not installed$", result.stdout, re.M)
    assert re.search("to fix torch:\n  .* -m pip install", result.stdout)
