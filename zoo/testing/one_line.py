# SPDX-License-Identifier: Apache-2.0
"""``conformance``: every rule of ``zoo plugin check --deep`` as tests, in one line."""

from __future__ import annotations

import atexit
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from zoo.checking.finding import Finding
from zoo.checking.guarding import check_case
from zoo.checking.isolation.bench import Bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rule import STAGES, Case, Rule
from zoo.checking.rules import all_rules
from zoo.checking.subject import Subject
from zoo.testing.conformance import PluginConformance

__all__ = ["RuleConformance", "conformance"]

_TestCase = tuple[Rule, Case]


class RuleConformance(PluginConformance):
    """The checks of ``PluginConformance``, and each other rule on each of its rows.

    Attributes:
        stages: Stages of rules to run: ``static``, ``import``, ``deep`` and ``build``.
    """

    stages: ClassVar[tuple[str, ...]] = STAGES

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize ``test_rule_holds`` with the rules and their rows.

        Args:
            metafunc: A rule of the kit, or a test that the author added.
        """
        if metafunc.function.__name__ != "test_rule_holds":
            super().pytest_generate_tests(metafunc)
            return
        params = [
            pytest.param((rule, case), id="-".join(filter(None, (rule.id, rule.name, case[0]))))
            for rule, case in self._cases()
        ]
        metafunc.parametrize("each_case", params)

    def test_rule_holds(self, each_case: _TestCase) -> None:
        """``zoo plugin check --deep`` finds nothing by this rule in this row.

        Args:
            each_case: The rule and its case.
        """
        rule, case = each_case
        subject = _subject(self.manifest_path.parent)
        if rule.stage == "static":
            found = check_case(rule, subject, case)
        else:
            found = _bench(subject.package).check(rule, case[0], all_rules())
        _tell([each for each in found if each.rule == rule.id])

    def _cases(self) -> Iterator[_TestCase]:
        """Yield the rules that are no method of this class, each with its cases."""
        subject = _subject(self.manifest_path.parent)
        for rule in all_rules():
            if rule.stage in self.stages and not rule.method:
                yield from ((rule, case) for case in rule.cases(subject))


def conformance(plugin: str, **settings: Any) -> type[RuleConformance]:
    """Return a test class that checks a plugin by every rule, one test a rule and a row.

    A test of the plugin needs one line: ``TestPlugin = conformance("my_thing")``.

    Args:
        plugin: Name of the plugin. Its package is next to the folder of the test, or is installed.
        settings: Attributes of `PluginConformance`, such as ``settings`` and ``prepare_options``,
            functions that override its methods, and ``stages``.

    Raises:
        TypeError: `PluginConformance` has no attribute of a name.
    """
    for name in settings:
        if not hasattr(RuleConformance, name):
            message = f"conformance() has no setting {name!r}: see zoo.testing.PluginConformance."
            raise TypeError(message)
    module = sys._getframe(1).f_globals["__name__"]  # the package is beside the author's file
    members = {"__module__": module, "__doc__": None, "plugin": plugin, **settings}
    return type("TestPlugin", (RuleConformance,), members)


def _tell(findings: list[Finding]) -> None:
    """Fail on errors, warn of warnings, and skip what cannot be checked here."""
    errors = [_text(each) for each in findings if each.level == "error"]
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)
    for each in findings:
        if each.level == "warning":
            warnings.warn(_text(each), stacklevel=2)
    notes = [_text(each) for each in findings if each.level == "note"]
    if notes:
        pytest.skip("\n".join(notes))


def _text(finding: Finding) -> str:
    lines = (f"{finding.where}: {finding.rule}", finding.message, f"HINT: {finding.mend}")
    return "\n".join((*lines, finding.detail))


@cache
def _subject(package: Path) -> Subject:
    return subject_of_folder(package)


@cache
def _bench(package: Path) -> Bench:
    bench = Bench(_subject(package))
    atexit.register(bench.close)
    return bench
