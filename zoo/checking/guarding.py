# SPDX-License-Identifier: Apache-2.0
"""Run one rule on one case; whatever the plugin's code raises there becomes a finding."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.subject import Subject

__all__ = ["cases_of", "check_case"]

_Item = TypeVar("_Item")
_MOST_TEXT = 1_500  # names come from files, and may be as long as those


def check_case(rule: Rule, subject: Subject, case: Case) -> list[Finding]:
    """Return what one rule finds in one case; a rule that raises is a finding too.

    Args:
        rule: The rule.
        subject: The plugin.
        case: One of the rule's cases.
    """
    found: list[Finding] = []
    _guarded(rule, subject, lambda: rule.check(subject, case[1]), found.extend, found)
    return [_readable(each, case[0]) for each in found]


def cases_of(rule: Rule, subject: Subject, findings: list[Finding]) -> list[Case]:
    """Return the cases of a rule.

    Args:
        rule: The rule.
        subject: The plugin.
        findings: Receives what is wrong if they cannot be told.
    """
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
    message = f"the rule {rule.name} cannot be checked: {type(error).__name__}: {text}."
    mend = "correct what the message names, or report this plugin to the authors of zoo."
    detail = "".join(traceback.format_exception(error))
    return Finding(rule.id, str(subject.manifest_path), message, mend, detail=detail)


def _readable(finding: Finding, row: str) -> Finding:
    """Return a finding with its row, and with no text longer than one reads."""
    texts = {"message": finding.message, "mend": finding.mend, "row": finding.row or row}
    return replace(finding, **{key: _shortened(text) for key, text in texts.items()})


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."
