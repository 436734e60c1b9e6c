# SPDX-License-Identifier: Apache-2.0
"""What static rules share: their cases, and findings at a place in the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.source.places import place_of
from zoo.checking.subject import Subject

__all__ = ["label_of", "row_place", "static_rule", "whole"]


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


def row_place(subject: Subject, row: Any, key: str | None = None) -> str:
    """Return ``file:line`` of a row of the manifest, or of a key in it.

    Args:
        subject: The plugin.
        row: A row with a kind and a name.
        key: A key of the row, or None.
    """
    values = subject.survey.document.get(row.kind)
    for number, each in enumerate(values if isinstance(values, list) else (), start=1):
        if isinstance(each, dict) and each.get("name") == row.name:
            return place_of(subject.manifest_path, row.kind, number, key)
    return str(subject.manifest_path)
