# SPDX-License-Identifier: Apache-2.0
"""What one process checks: some rules, one after the other, on one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.checking.rule import Rule

__all__ = ["Job", "jobs_of"]


@dataclass(frozen=True, slots=True)
class Job:
    """One process.

    Attributes:
        package: Folder of the plugin's package.
        project: Folder of its ``pyproject.toml``, or None.
        rules: Ids of the rules.
        case: Name of the case.
        scratch: Folder that all processes of a check share.
        threads: Threads that torch may use.
        data: Data of the user's, or None.
        environment: Variables, as they are for who checks: a fork has those of when it began.
    """

    package: Path
    project: Path | None
    rules: tuple[str, ...]
    case: str
    scratch: Path
    threads: int
    data: Path | None
    environment: Mapping[str, str]


def jobs_of(wanted: Iterable[tuple[Rule, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the processes that check some cases.

    Args:
        wanted: Rules, each with the name of a case.

    Returns:
        (what runs together, case) -> ids of rules.
    """
    jobs: dict[tuple[str, str], list[str]] = {}
    for rule, case in wanted:
        jobs.setdefault((rule.together or rule.id, case), []).append(rule.id)
    return {key: tuple(ids) for key, ids in jobs.items()}
