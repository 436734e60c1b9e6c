# SPDX-License-Identifier: Apache-2.0
"""Rules of metrics, evaluators, checks, panels, planners, exchanges: each fault of them."""

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
direction = {{ "share_*" = "higher", worst = "higher" }}

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

[[planner]]
name = "short"
target = "zoo_{plugin}.parts:short"
task = "semantic"

[[exchange]]
name = "lines"
target = "zoo_{plugin}.parts:Lines"
suffixes = [".txt"]
reads = true
writes = true
"""
PARTS = """
from mmengine.evaluator import BaseMetric, Evaluator
from zoo.interfaces import CheckResult, LabelledImage, LabelledObject, Labels, Plan


class Share(BaseMetric):
    default_prefix = ""

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            hits = sample["pred_sem_seg"]["data"] == sample["gt_sem_seg"]["data"]
            self.results.append(float(hits.float().mean()))

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


def short(fingerprint, machine, allowance):
    batch_size = min(4, allowance.batch_size or 4)
    known = allowance.measured
    train_s = allowance.seconds / 2
    steps = 100 if known is None else int(train_s / known.step_s)
    config = f"max_iters = {steps}"
    return Plan(config=config, batch_size=batch_size, steps=steps, train_s=train_s)


class Lines:
    def write(self, labels, out, report):
        lines = []
        for image in labels.images:
            boxes = [each for each in image.objects if each.box is not None]
            for each in image.objects:
                if each not in boxes:
                    report.drop(image.name, "no box")
            lines += [",".join([image.name, *(each.label for each in boxes)])]
        out.write_text("\\n".join(lines))

    def read(self, source, files, report):
        images = []
        for line in source.read(files[0]).decode().splitlines():
            name, *labels = line.split(",")
            objects = [LabelledObject(label=label, box=(0, 0, 1, 1)) for label in labels]
            images.append(LabelledImage(name=name, objects=tuple(objects)))
        return Labels(classes=("pond", "tank"), images=images)
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
    ("ZP763", "int(train_s /", "int(9 * train_s /", "steps in 300 s, which take 2700"),
    ("ZP763", "min(4, allowance.batch_size or 4)", "4", "plans batches of 4, expected 1"),
    ("ZP763", "seconds / 2", "seconds", "plans 620 s, expected 600 s"),
    ("ZP763", "max_iters = {", "max_iters := {", "a config that is no Python: invalid syntax"),
    ("ZP763", "100 if", "__import__('time').time_ns() if", "returns two plans for equal arguments"),
    ("ZP763", "return Plan(config", "return dict(config", "expected zoo.interfaces.Plan"),
    (
        "ZP764",
        'report.drop(image.name, "no box")',
        "continue",
        "lines loses 4 images or objects, and its report counts 0 of them",
    ),
    ("ZP764", "out.write_text(", "str(", "lines writes no file drawn.txt"),
    (
        "ZP764",
        "tuple(objects)))",
        "()) if labels else LabelledImage(name=name))",
        "lines loses 5 images or objects, and its report counts 4 of them",
    ),
    ("ZP762", "[0, 1, 2, 3]", "[0, 1]", "x and y must have same first dimension"),
]


RULES = [f"ZP{number}" for number in (502, 504, 731, 732, 733, 734, 735, 736, 761, 762, 763, 764)]


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

    found = _findings(package, *RULES)

    assert found == {rule: [] for rule in RULES}


@pytest.mark.parametrize(("rule", "old", "new", "message"), FAULTS)
def test_fault_breaks_its_rule_and_no_other(
    write_plugin: Callable[..., Path], rule: str, old: str, new: str, message: str
) -> None:
    """The finding says what was found."""
    assert PARTS.count(old) == 1
    package = write_plugin("odd", ROWS.format(plugin="odd"), parts=PARTS.replace(old, new))

    found = _findings(package, *RULES)

    assert [id_ for id_, said in found.items() if said] == [rule]
    (said,) = found[rule]
    assert message in said
