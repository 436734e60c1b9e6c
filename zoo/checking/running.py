# SPDX-License-Identifier: Apache-2.0
"""Run rules on a plugin, stage by stage, and collect what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from zoo.checking.finding import Finding
from zoo.checking.rule import STAGES, Case, Rule
from zoo.checking.subject import Subject

__all__ = ["Report", "check_case", "check_plugin"]

_Item = TypeVar("_Item")


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


def check_plugin(
    subject: Subject,
    rules: Sequence[Rule],
    *,
    stages: Sequence[str] = STAGES,
    started: Callable[[Rule, str], None] | None = None,
) -> Report:
    """Run the rules of some stages; a stage with errors is the last that runs.

    Args:
        subject: The plugin.
        rules: The rules, as `zoo.checking.rules.all_rules` returns them.
        stages: The stages to run; they run in the order of `STAGES`.
        started: Called with each rule and the name of its case, before it runs.
    """
    findings: list[Finding] = []
    counts = {"rules": 0, "cases": 0}
    left = [stage for stage in STAGES if stage in stages]
    while left and not any(each.level == "error" for each in findings):
        stage = left.pop(0)
        for rule in rules:
            if rule.stage == stage:
                cases = _cases(rule, subject, findings)
                counts["rules"] += 1
                counts["cases"] += len(cases)
                for case in cases:
                    if started is not None:
                        started(rule, case[0])
                    findings += check_case(rule, subject, case)
    return Report(tuple(findings), **counts, left_out=tuple(left))


def check_case(rule: Rule, subject: Subject, case: Case) -> list[Finding]:
    """Return what one rule finds in one case; a rule that raises is a finding too.

    Args:
        rule: The rule.
        subject: The plugin.
        case: One of the rule's cases.
    """
    found: list[Finding] = []
    _guarded(rule, subject, lambda: rule.check(subject, case[1]), found.extend, found)
    return [each if each.row or not case[0] else _with_row(each, case[0]) for each in found]


def _cases(rule: Rule, subject: Subject, findings: list[Finding]) -> list[Case]:
    cases: list[Case] = []
    _guarded(rule, subject, lambda: rule.cases(subject), cases.extend, findings)
    return cases


def _guarded(
    rule: Rule,
    subject: Subject,
    run: Callable[[], Iterable[_Item]],
    take: Callable[[Iterable[_Item]], None],
    findings: list[Finding],
) -> None:
    """Run code that may run the plugin's own, which may raise anything."""
    try:
        take(run())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a finding, whatever it is: even SystemExit
        findings.append(_crash(rule, subject, error))


def _crash(rule: Rule, subject: Subject, error: BaseException) -> Finding:
    text = str(error).strip().partition("\n")[0][:200] or "no message"
    message = f"the rule {rule.name} cannot be checked: {type(error).__name__}: {text}"
    mend = "correct what the message names, or report this plugin to the authors of zoo."
    return Finding(rule.id, str(subject.manifest_path), message, mend)


def _with_row(finding: Finding, row: str) -> Finding:
    return replace(finding, row=row)
