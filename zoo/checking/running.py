# SPDX-License-Identifier: Apache-2.0
"""Run rules on a plugin, stage by stage, and collect what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.checking.finding import Finding
from zoo.checking.guarding import cases_of, check_case
from zoo.checking.isolation.bench import Bench
from zoo.checking.rule import STAGES, Case, Rule
from zoo.checking.subject import Subject

__all__ = ["Report", "check_plugin"]

Started = Callable[[Rule, str, int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules found in one plugin.

    Attributes:
        findings: In the order of the rules.
        rules: How many rules ran.
        cases: How many cases they have: rows, files, or the whole plugin.
        left_out: Stages that did not run, because an earlier one found an error.
    """

    findings: tuple[Finding, ...]
    rules: int
    cases: int
    left_out: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that are errors."""
        return tuple(each for each in self.findings if each.level == "error")

    def shown_in(self, folder: Path, name: str) -> Report:
        """Return the report with another name for a folder in every place.

        Args:
            folder: The folder that the plugin was checked in.
            name: What to call it.
        """
        found = [
            replace(each, where=each.where.replace(str(folder), name)) for each in self.findings
        ]
        return replace(self, findings=tuple(found))


def check_plugin(
    subject: Subject,
    rules: Sequence[Rule],
    *,
    stages: Sequence[str] = STAGES,
    started: Started | None = None,
) -> Report:
    """Run the rules of some stages; a stage with errors is the last that runs.

    Args:
        subject: The plugin.
        rules: The rules, as `zoo.checking.rules.all_rules` returns them.
        stages: The stages to run; they run in the order of `STAGES`.
        started: Called with each rule, the name of its case, how many cases of the stage are done
            and how many there are; again and again while one takes long.
    """
    findings: list[Finding] = []
    counts = {"rules": 0, "cases": 0}
    left = [stage for stage in STAGES if stage in stages]
    while left and not any(each.level == "error" for each in findings):
        stage = left.pop(0)
        found = [
            (rule, case)
            for rule in rules
            if rule.stage == stage
            for case in cases_of(rule, subject, findings)
        ]
        counts["rules"] += sum(rule.stage == stage for rule in rules)
        counts["cases"] += len(found)
        run = _read if stage == "static" else _isolated
        for each in run(subject, found, started or (lambda *_: None)):
            findings += each
    return Report(tuple(findings), **counts, left_out=tuple(left))


def _read(
    subject: Subject, found: Sequence[tuple[Rule, Case]], started: Started
) -> Iterator[list[Finding]]:
    for number, (rule, case) in enumerate(found):
        started(rule, case[0], number, len(found))
        yield check_case(rule, subject, case)


def _isolated(
    subject: Subject, found: Sequence[tuple[Rule, Case]], started: Started
) -> Iterator[list[Finding]]:
    """Check in other processes: code of the plugin may end, hang or change one."""
    with Bench(subject) as bench:
        yield from bench.check_all([(rule, case[0]) for rule, case in found], started)
