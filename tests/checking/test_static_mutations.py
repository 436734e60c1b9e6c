# SPDX-License-Identifier: Apache-2.0
"""Every static rule has mutations of one clean plugin that break it, and it only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from static_mutations import MUTATIONS, Edit, Lake, Move, Write

from zoo.catalog import forget_catalog
from zoo.checking.finding import Finding
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules
from zoo.checking.running import Report, check_plugin

STATIC = [rule for rule in all_rules() if rule.stage == "static"]


def _check(project: Path) -> Report:
    return check_plugin(subject_of_folder(project), STATIC, stages=["static"])


def _apply(step: Edit | Write | Lake | Move, project: Path, lake: Callable[..., Path]) -> None:
    if isinstance(step, Lake):
        lake(step.rows, step.name)
        return
    if isinstance(step, Move):
        (project / step.old).rename(project / step.new)
        return
    path = project / step.file
    if isinstance(step, Edit):
        text = path.read_text(encoding="utf-8")
        assert step.old in text
        path.write_text(text.replace(step.old, step.new), encoding="utf-8")
    elif step.text is None:
        path.unlink()
    else:
        path.write_text(step.text, encoding="utf-8")


def test_clean_plugin_breaks_no_rule_and_has_a_case_of_each(pond: Path) -> None:
    """What the mutations start from has no finding, and no rule passes for want of a case."""
    subject = subject_of_folder(pond)

    assert _check(pond).findings == ()
    lacking = [rule.id for rule in STATIC if not list(rule.cases(subject))]
    assert lacking == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_breaks_its_rule_and_no_other(
    name: str, pond: Path, lake: Callable[..., Path]
) -> None:
    """The finding has the rule, the level, the line at fault and something to do."""
    mutation = MUTATIONS[name]
    if mutation.needs and find_spec(mutation.needs) is None:
        pytest.skip(f"{mutation.needs} is not installed")
    for step in mutation.steps:
        _apply(step, pond, lake)

    found = _check(pond).findings

    assert {(each.rule, each.level) for each in found} == {(mutation.rule, mutation.level)}, found
    assert len({each.row for each in found}) == len(found), "a row tells a fault once"
    _assert_place(found[0], pond, *mutation.where)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("zoo_pond.command", "did you mean zoo_pond.commands?"),
        ("zoo_pond.xyz", "write the module, or name one of "),
    ],
)
def test_module_that_is_missing_is_near_those_of_like_name_alone(
    pond: Path, module: str, says: str
) -> None:
    """The package's name, which all of them begin with, makes none of them similar."""
    manifest = pond / "zoo_pond" / "zoo_plugin.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("zoo_pond.commands:", f"{module}:"), encoding="utf-8")

    (found,) = _check(pond).findings

    assert (found.rule, found.mend.startswith(says)) == ("ZP111", True), found.mend


def test_config_in_yaml_that_nothing_reads_is_told_with_the_package_to_install(
    pond: Path, lake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither called faulty nor a fault of its ``_base_``."""
    for step in MUTATIONS["base of a row no YAML"].steps:
        _apply(step, pond, lake)
    monkeypatch.setitem(sys.modules, "yaml", None)

    (found,) = _check(pond).findings

    assert (found.rule, found.level, found.mend) == ("ZP301", "warning", "pip install pyyaml")
    _assert_place(found, pond, "zoo_pond/bases/more.yml", "")


def _assert_place(finding: Finding, project: Path, file: str, line: str) -> None:
    path, _, number = finding.where.removeprefix(f"{project}{os.sep}").partition(":")
    assert path == file
    if line:
        lines = (project / file).read_text(encoding="utf-8").splitlines()
        assert line.partition("\n")[0] in lines[int(number) - 1]
    assert finding.message.endswith(".")
    assert finding.mend


def test_table_of_mutations_covers_every_static_rule() -> None:
    """A rule that nothing breaks is a rule that nobody has seen work."""
    covered = {mutation.rule for mutation in MUTATIONS.values()}

    assert [rule.id for rule in STATIC if rule.id not in covered] == []


@pytest.fixture(autouse=True)
def _own_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_catalog()
