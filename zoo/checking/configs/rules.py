# SPDX-License-Identifier: Apache-2.0
"""ZP610-ZP614: each config on a sample, phase by phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo.checking.configs.steps import PHASES, run_config
from zoo.checking.dynamic.findings import finding_of
from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import label_of
from zoo.checking.subject import Subject
from zoo.manifest.rows import ConfigRow

__all__ = ["RULES"]

_ROWS = (
    (
        "config-binds",
        "Each config can be bound to the sample of its data set, as by `zoo train --data`.",
        "run zoo config show on it; the sample must be prepared with the default options.",
    ),
    (
        "config-builds",
        "Each config can be built: model, data sets, optimizer, hooks.",
        "correct the part of the config that the message names.",
    ),
    (
        "config-trains",
        "Each config trains for two steps, and its losses are finite.",
        "run zoo train on it with --max-steps 2 and --debug.",
    ),
    (
        "config-validates",
        "Each config with a validation gives values of a metric.",
        "run zoo train on it with --max-steps 2 and --debug.",
    ),
    (
        "config-tests",
        "The checkpoint of each config can be tested.",
        "run zoo test on the work dir with --debug.",
    ),
)


def _configs(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.configs:
        yield label_of(row), row


def _check(id_: str, phase: str, mend: str) -> Callable[[Subject, ConfigRow], Iterator[Finding]]:
    def check(subject: Subject, row: ConfigRow) -> Iterator[Finding]:
        outcome = run_config(subject, row.name)
        if outcome.error is None or outcome.phase != phase:
            return
        where = str(subject.package / row.file)
        found = finding_of(subject, id_, outcome.error, mend=mend, where=where)
        if found is not None:
            yield found

    return check


def _rule(number: int, phase: str, name: str, summary: str, mend: str) -> Rule:
    id_ = f"ZP{number}"
    return Rule(id_, name, "deep", summary, _configs, _check(id_, phase, mend), together="config")


RULES = tuple(
    _rule(610 + place, phase, *row)
    for place, (phase, row) in enumerate(zip(PHASES, _ROWS, strict=True))
)
