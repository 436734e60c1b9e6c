# SPDX-License-Identifier: Apache-2.0
"""Rules of weights and converters: a clean plugin breaks none, each mutation its own and no other.

The true score of the weights is worked out in NumPy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gauge_plugin import mean_iou, metric, write_gauge

from zoo.catalog import forget_catalog
from zoo.checking.finding import Finding
from zoo.checking.isolation.bench import Bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules

pytestmark = [pytest.mark.mm, pytest.mark.slow]
RULES = [rule for rule in all_rules() if rule.id.startswith("ZP4") and rule.stage == "deep"]
TRUE = metric("mIoU", round(mean_iou(), 2))


class Mutation(NamedTuple):
    """What breaks one rule: arguments of `write_gauge`."""

    rule: str
    told: str
    changes: Mapping[str, Any]


MUTATIONS = {
    "row of another licence than its file": Mutation(
        "ZP410",
        "data_licence",
        {"manifest": ('"CC0-1.0"\nparameters = 1\nmetrics', '"MIT"\nparameters = 1\nmetrics')},
    ),
    "parameters that are not there": Mutation(
        "ZP411",
        "the row states 2 parameters, the model has 1",
        {"record": {"parameters": 2}},
    ),
    "config of another size than its row says": Mutation(
        "ZP412",
        "the row states 3 parameters, the model of its config gauge-24 has 1",
        {"manifest": ("parameters = 1\nconverter", "parameters = 3\nconverter")},
    ),
    "converter that takes what it is given": Mutation(
        "ZP413",
        "it changes the state dict that it is given",
        {"convert": ('"level": state_dict["cut"]', '"level": state_dict["cut"].add_(1)')},
    ),
    "number that is better than the weights": Mutation(
        "ZP414",
        f"the row states {TRUE['value'] + 0.1:.6g}, measured is {TRUE['value']:.6g}",
        {"metrics": [{**TRUE, "value": TRUE["value"] + 0.1}]},
    ),
}


@pytest.fixture(autouse=True)
def _own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "gauge"))
    yield
    forget_catalog()


def _check(project: Path, *, data: Path | None = None, ids: str = "") -> list[Finding]:
    subject = replace(subject_of_folder(project), data=data)
    wanted = [
        (rule, case[0])
        for rule in RULES
        for case in rule.cases(subject)
        if rule.id in (ids or rule.id)
    ]
    with Bench(subject) as bench:
        return [each for found in bench.check_all(wanted, lambda *_: None) for each in found]


def test_clean_plugin_breaks_no_rule_of_weights(tmp_path: Path) -> None:
    """Every rule has a case, and the stated number is that of NumPy, rounded."""
    project = write_gauge(tmp_path / "gauge", [TRUE])

    assert [rule.id for rule in RULES if not list(rule.cases(subject_of_folder(project)))] == []
    assert _check(project) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_breaks_its_rule_and_no_other(name: str, tmp_path: Path) -> None:
    """The finding names the row, says what is wrong, and what to do."""
    mutation = MUTATIONS[name]
    project = write_gauge(tmp_path / "gauge", **{"metrics": [TRUE], **mutation.changes})

    found = _check(project)

    assert [(each.rule, each.level) for each in found] == [(mutation.rule, "error")], found
    assert mutation.told in found[0].message
    assert found[0].where.startswith(str(project))
    assert found[0].row
    assert found[0].mend


def test_number_without_its_data_is_a_note_and_measured_once_it_is_given(tmp_path: Path) -> None:
    """Never a pass: the note says how; a number published elsewhere is none of the author's."""
    metrics = [
        TRUE,
        metric("mIoU", 12.5, dataset="gauge.GaugeDataset"),
        metric("mIoU", 99.0, dataset="their set", published="table 2"),
    ]
    theirs = ("value = 99.0", 'value = 99.0, published = "table 2"')
    project = write_gauge(tmp_path / "gauge", metrics, manifest=theirs)

    (note,) = _check(project, ids="ZP414")
    data = _prepared(project, tmp_path)
    (error,) = _check(project, data=data, ids="ZP414")

    assert (note.level, error.level) == ("note", "error")
    assert "mIoU on gauge.GaugeDataset, test is not measured again" in note.message
    assert "zoo plugin check --deep --data DIR" in note.mend
    assert "the row states 12.5, measured is " in error.message


def _prepared(project: Path, folder: Path) -> Path:
    """Write a prepared folder of the plugin's data, half of it in the split val."""
    code = (
        "import zoo; zoo.sample('gauge', 'raw', seed=7, count=4);"
        "zoo.prepare('gauge', 'raw', 'data', shares='0,0.5,0.5')"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"ZOO_PLUGIN_PATH": str(project)}, check=True
    )
    return folder / "data"
