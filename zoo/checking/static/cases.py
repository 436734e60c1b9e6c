# SPDX-License-Identifier: Apache-2.0
"""What static rules share: their cases, and findings at a place in the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.source.places import place_of
from zoo.checking.source.project import Distribution, find_distribution
from zoo.checking.subject import Subject

__all__ = [
    "distribution_of",
    "is_stated",
    "label_of",
    "projects",
    "readable_distribution",
    "row_place",
    "static_rule",
    "whole",
]


def static_rule(
    id_: str,
    name: str,
    summary: str,
    cases: Callable[[Subject], Iterable[Case]],
    check: Callable[[Subject, Any], Iterable[Finding]],
) -> Rule:
    """Return a rule of the stage ``static``.

    Args:
        id_: Such as ``ZP101``.
        name: Lower case with dashes.
        summary: What it demands, one sentence.
        cases: See `Rule`.
        check: See `Rule`.
    """
    return Rule(id_, name, "static", summary, cases, check)


def whole(subject: Subject) -> list[Case]:
    """Return the one case of a rule about the whole plugin.

    Args:
        subject: The plugin.
    """
    return [("", subject)]


def label_of(row: Any) -> str:
    """Return a row of the manifest for findings, such as ``loss EdgeLoss``.

    Args:
        row: A row with a kind and a name.
    """
    return f"{row.kind} {row.name}"


def row_place(subject: Subject, row: Any, key: str | None = None, told: str = "") -> str:
    """Return ``file:line`` of a row of the manifest, or of a key in it.

    Args:
        subject: The plugin.
        row: A row with a kind and a name.
        key: A key of the row, or None.
        told: A message on it, which holds the value if the row has several such keys.
    """
    values = subject.survey.document.get(row.kind)
    for number, each in enumerate(values if isinstance(values, list) else (), start=1):
        if isinstance(each, dict) and each.get("name") == row.name:
            return place_of(subject.manifest_path, row.kind, number, key, told)
    return str(subject.manifest_path)


def is_stated(subject: Subject, key: str) -> bool:
    """Return whether ``[plugin]`` states a key and no rule of the manifest refuses it.

    Args:
        subject: The plugin.
        key: Such as ``version``.
    """
    faults = [fault for fault in subject.survey.faults if fault.table == "plugin"]
    return all(getattr(fault.error, "key", None) != key for fault in faults)


def distribution_of(subject: Subject) -> Distribution | None:
    """Return the plugin's distribution, or None if it is only a folder.

    Args:
        subject: The plugin.
    """
    version = "" if subject.manifest is None else subject.manifest.version
    return find_distribution(subject.package, subject.project, version)


def readable_distribution(subject: Subject) -> Iterator[Case]:
    """Yield the distribution as the one case, if it and the manifest can be read.

    Args:
        subject: The plugin.
    """
    found = distribution_of(subject)
    if found is not None and found.fault is None and subject.manifest is not None:
        yield "", found


def projects(subject: Subject) -> Iterator[Case]:
    """Yield the distribution as the one case, if it is a project that can be read.

    Args:
        subject: The plugin.
    """
    return (case for case in readable_distribution(subject) if case[1].is_project)
