# SPDX-License-Identifier: Apache-2.0
"""A rule of ``zoo plugin check``: its id, its stage, the rows that it applies to, its check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from zoo.checking.finding import Finding
from zoo.checking.subject import Subject

__all__ = ["STAGES", "Case", "Rule"]

# In the order in which they run. A later stage runs only where an earlier one found no error.
STAGES = ("static", "import", "deep", "build")

# Name of a row to show (empty for the whole plugin), and what the check receives.
Case = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: ``ZP`` and three digits; the first digit is the group. It never changes its meaning.
        name: Lower case with dashes, such as ``target-exists``.
        stage: ``static`` (nothing is imported), ``import``, ``deep`` (runs training steps), or
            ``build`` (makes a wheel).
        summary: What the rule demands, one sentence.
        cases: The rows of the plugin that it applies to. A rule without cases does not run.
        check: Yields what is wrong with one case; nothing if the rule holds.
        together: Rules of one word run a case in one process, one after the other, because they
            share an expensive preparation; empty for a process of its own.
        method: The method of the conformance kit that the rule runs; empty if there is none.
    """

    id: str
    name: str
    stage: str
    summary: str
    cases: Callable[[Subject], Iterable[Case]]
    check: Callable[[Subject, Any], Iterable[Finding]]
    together: str = ""
    method: str = ""
