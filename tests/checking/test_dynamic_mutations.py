# SPDX-License-Identifier: Apache-2.0
"""Rules that call rows: a clean plugin breaks none, each mutation its own and no other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest
from dynamic_mutations import FILES, MUTATIONS

from zoo.checking.finding import Finding
from zoo.checking.isolation.bench import Bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules

pytestmark = [pytest.mark.mm, pytest.mark.slow]
# Those of a stage in one process a row: they are quick, and a process is not.
RULES = [
    replace(rule, together=rule.stage)
    for rule in all_rules()
    if rule.stage in ("import", "deep") and rule.together != "config"
]


@pytest.fixture
def reef(tmp_path: Path) -> Path:
    """Write the clean plugin, and return its package."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "zoo_reef"


def _check(package: Path, word: str = "") -> list[Finding]:
    """Run the rules of the whole plugin, and of its rows with a word in their names."""
    subject = subject_of_folder(package)
    wanted = [
        (rule, case[0])
        for rule in RULES
        for case in rule.cases(subject)
        if word in case[0] or not case[0]
    ]
    assert wanted
    found: list[Finding] = []
    with Bench(subject) as bench:
        for stage in ("import", "deep"):
            now = [each for each in wanted if each[0].stage == stage and not found]
            found += [each for some in bench.check_all(now, lambda *_: None) for each in some]
    return found


def test_clean_plugin_breaks_no_rule(reef: Path) -> None:
    """What the mutations start from has no finding."""
    assert _check(reef) == []


@pytest.fixture
def plain_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the fork server be one that other code has started: it has imported nothing."""
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server._stop()
    monkeypatch.setattr(server, "_preload_modules", [])
    multiprocessing.get_context("forkserver").Process(target=int).start()
    yield
    server._stop()


@pytest.mark.usefixtures("plain_server")
def test_import_of_torch_is_not_the_plugins(reef: Path) -> None:
    """However processes start, what a plugin may import is imported before its time is taken."""
    rule = next(each for each in all_rules() if each.id == "ZP505")
    with Bench(subject_of_folder(reef)) as bench:
        assert bench.check(rule, "zoo_reef.hook") == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_breaks_its_rule_and_no_other(name: str, reef: Path) -> None:
    """The finding has rule and level, says what is wrong, and what to do."""
    mutation = MUTATIONS[name]
    is_code = "." not in mutation.module
    path = reef / (f"{mutation.module}.py" if is_code else mutation.module)
    assert mutation.old in path.read_text()
    path.write_text(path.read_text().replace(mutation.old, mutation.new), encoding="utf-8")

    found = _check(reef, mutation.row or mutation.module)

    assert {(each.rule, each.level) for each in found} == {(mutation.rule, mutation.level)}, found
    assert mutation.told in found[0].message
    assert found[0].where.startswith(str(reef.parent))
    assert found[0].mend
