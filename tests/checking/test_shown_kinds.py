# SPDX-License-Identifier: Apache-2.0
"""Rules of metrics' statements, evaluators, checks and panels: one that holds, and each fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.checking.rules import all_rules
from zoo.checking.subject import read_subject

pytestmark = pytest.mark.mm

ROWS = """
[[metric]]
name = "Share"
target = "zoo_{plugin}.parts:Share"
direction = {{ "share_*" = "higher", worst = "lower" }}

[[evaluator]]
name = "Judge"
target = "zoo_{plugin}.parts:Judge"

[[check]]
name = "machine"
target = "zoo_{plugin}.parts:machine"
of = "doctor"

[[panel]]
name = "ends"
target = "zoo_{plugin}.parts:ends"
"""
PARTS = """
from mmengine.evaluator import BaseMetric, Evaluator
from zoo.interfaces import CheckResult


class Share(BaseMetric):
    default_prefix = ""

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            self.results.append(float(sample["pred_sem_seg"]["data"].float().mean()))

    def compute_metrics(self, results):
        return {"share_mean": sum(results) / len(results), "worst": min(results)}


class Judge(Evaluator):
    def __init__(self, metrics):
        super().__init__(metrics)
        self.seen = 0

    def process(self, data_samples, data_batch=None):
        self.seen += len(data_samples)
        super().process(data_samples, data_batch)

    def evaluate(self, size):
        seen, self.seen = self.seen, 0
        return {**super().evaluate(size), "seen": seen}


def machine():
    yield CheckResult("one core")
    yield CheckResult("a slow disk", "warning", mend="buy another")


def ends(runs, tests):
    for run in runs:
        yield lambda axes, run=run: axes.plot(sorted(run.losses["loss"]), [0, 1, 2, 3])
"""
FAULTS = [
    ("ZP734", '"worst": min', '"least": min', "its row states no direction for least"),
    (
        "ZP735",
        "self.seen, 0\n        return",
        "self.seen, self.seen\n        return",
        "a second ev",
    ),
    ("ZP735", '"seen": seen', '"seen": "3"', "seen is a str, expected a number"),
    ("ZP761", 'CheckResult("one core")', '"one core"', "machine yields 'one core', expected zoo."),
    ("ZP761", ', mend="buy another"', "", "is of level warning and names nothing to mend"),
    ("ZP762", "    for run in runs:", "    for run in runs or [1]:", "ends yields 1 panels for no"),
    ("ZP762", "[0, 1, 2, 3]", "[0, 1]", "x and y must have same first dimension"),
]


def _findings(package: Path, *ids: str) -> dict[str, list[str]]:
    subject = read_subject(package)
    return {
        rule.id: [
            found.message for _, case in rule.cases(subject) for found in rule.check(subject, case)
        ]
        for rule in all_rules()
        if rule.id in ids
    }


def test_parts_that_hold_break_no_rule(write_plugin: Callable[..., Path]) -> None:
    package = write_plugin("good", ROWS.format(plugin="good"), parts=PARTS)

    found = _findings(package, "ZP734", "ZP735", "ZP761", "ZP762")

    assert found == {"ZP734": [], "ZP735": [], "ZP761": [], "ZP762": []}


@pytest.mark.parametrize(("rule", "old", "new", "message"), FAULTS)
def test_fault_breaks_its_rule(
    write_plugin: Callable[..., Path], rule: str, old: str, new: str, message: str
) -> None:
    """The finding says what was found."""
    assert PARTS.count(old) == 1
    package = write_plugin("odd", ROWS.format(plugin="odd"), parts=PARTS.replace(old, new))

    found = _findings(package, rule)

    ((said,),) = found.values()
    assert message in said
