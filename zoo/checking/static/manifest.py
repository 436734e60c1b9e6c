# SPDX-License-Identifier: Apache-2.0
"""ZP101-ZP107: the manifest is TOML, for this zoo, and each of its tables holds."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.source.places import place_in_text, place_of
from zoo.checking.static.cases import label_of, static_rule
from zoo.checking.subject import Subject
from zoo.manifest.survey import Fault

__all__ = ["RULES"]

_KINDS = (
    ("ZP101", "manifest-reads", "The package holds a zoo_plugin.toml that is TOML.", "document"),
    ("ZP102", "manifest-keys", "Each table has its keys, with values of their form.", "key"),
    ("ZP103", "api-supported", "The manifest is written for an api that this zoo reads.", "api"),
    ("ZP104", "names-unique", "No two rows that share a registry have one name.", "unique"),
    ("ZP105", "package-named", "The package is called zoo_ and the plugin's name.", "package"),
    ("ZP106", "files-exist", "Each file that the manifest names is in the package.", "file"),
    ("ZP107", "shelf-reads", "Each shelf is JSON, and each of its rows holds.", "shelf"),
)


def _rule(id_: str, name: str, summary: str, kind: str) -> Rule:
    """Return the rule that tells the faults of one kind; each row is a case."""

    def cases(subject: Subject) -> Iterator[Case]:
        found: dict[str, list[Fault]] = {label: [] for label in _labels(subject)}
        for fault in subject.survey.faults:
            if fault.kind == kind:
                found.setdefault(fault.label, []).append(fault)
        yield from found.items()

    def check(subject: Subject, faults: list[Fault]) -> Iterator[Finding]:
        for fault in faults:
            error = fault.error
            message = error.message.removeprefix(f"cannot use plugin {error.plugin!r}: ")
            mend = error.hint or "docs/manifest.md shows a valid manifest."
            yield Finding(id_, _place(subject, fault), message, mend, fault.label)

    return static_rule(id_, name, summary, cases, check)


def _labels(subject: Subject) -> list[str]:
    """Return the whole plugin, and each row."""
    rows = () if subject.manifest is None else subject.manifest.rows
    return ["", *map(label_of, rows)]


def _place(subject: Subject, fault: Fault) -> str:
    path = subject.manifest_path
    if fault.kind == "unique":
        name = fault.error.message.partition("the name ")[2].partition(" ")[0].strip("'\"")
        return place_in_text(path, name)
    if fault.kind == "shelf" and fault.error.manifest is not None:
        return str(fault.error.manifest)
    key = {"api": "api", "package": "name"}.get(fault.kind, getattr(fault.error, "key", None))
    if fault.kind == "document":
        line = fault.error.message.partition("(at line ")[2].partition(",")[0]
        return f"{path}:{line}" if line.isdigit() else str(path)
    return place_of(path, fault.table, fault.number, key, fault.error.message)


RULES = tuple(_rule(*row) for row in _KINDS)
