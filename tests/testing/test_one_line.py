# SPDX-License-Identifier: Apache-2.0
"""``TestPlugin = conformance("my_thing")``: every rule under pytest, one test a rule and a row."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_project import write_project

from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules
from zoo.testing import conformance

ONE_LINE = "from zoo.testing import conformance\n\nTestPlugin = conformance({arguments})\n"


def run_pytest(project: Path, arguments: str, *options: str) -> str:
    """Run an author's one line as the author does, and return what pytest prints."""
    tests = project / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "test_ponds.py").write_text(ONE_LINE.format(arguments=arguments), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, f"--rootdir={project}", *options, str(tests)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout


def test_one_line_collects_each_case_of_each_rule_that_has_one(tmp_path: Path) -> None:
    """What pytest collects are the cases of the rules: none is left out, and none is empty."""
    project = write_project(tmp_path / "ponds")
    subject = subject_of_folder(project)
    wanted = [
        rule.id
        for rule in all_rules()
        if not rule.method and rule.id != "ZP506"  # its case is the test that is written below
        for _ in rule.cases(subject)
    ]

    shown = run_pytest(project, '"ponds"', "--collect-only", "-q")

    found = re.findall(r"test_rule_holds\[(ZP\d+)-", shown)
    assert sorted(found) == sorted([*wanted, "ZP506"])
    assert "NOTSET" not in shown
    methods = [rule.method for rule in all_rules() if rule.method.startswith("test_loss")]
    assert all(f"::{name}[PondLoss]" in shown for name in methods if "mask" not in name)
    assert "dataset" not in "".join(re.findall(r"::(test_dataset\w*)", shown))


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        ("pyproject.toml", '"configs/*.py"', '"configs/*.txt"', "ZP213"),
        ("zoo_ponds/zoo_plugin.toml", "configs/pond-64.py", "configs/pond-65.py", "ZP106"),
    ],
)
def test_broken_rule_fails_its_test_with_place_and_mend(
    tmp_path: Path, file: str, old: str, new: str, rule: str
) -> None:
    """The author reads rule, place, what is wrong and what mends it; other rules pass."""
    project = write_project(tmp_path / "ponds")
    path = project / file
    path.write_text(path.read_text().replace(old, new))

    shown = run_pytest(project, '"ponds", stages=("static",)', "-q", "-k", f"{rule} or ZP204")

    assert re.search(rf"^FAILED .*test_rule_holds\[{rule}-", shown, re.MULTILINE), shown
    assert f": {rule}\n" in shown
    assert "HINT: " in shown
    assert "ZP204" not in "".join(re.findall(r"^FAILED .*", shown, re.MULTILINE))


def test_stages_choose_the_rules(tmp_path: Path) -> None:
    """With the stage static alone, nothing is imported, run or built for a rule."""
    project = write_project(tmp_path / "ponds")

    shown = run_pytest(project, '"ponds", stages=("static",)', "--collect-only", "-q")

    ids = set(re.findall(r"test_rule_holds\[(ZP\d+)", shown))
    static = {rule.id for rule in all_rules() if rule.stage == "static"}
    assert ids
    assert ids <= static


def test_setting_that_the_kit_lacks_is_refused() -> None:
    """A mistyped keyword would leave a row unchecked."""
    with pytest.raises(TypeError, match="no setting 'setings'"):
        conformance("ponds", setings={})
