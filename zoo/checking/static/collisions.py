# SPDX-License-Identifier: Apache-2.0
"""ZP120-ZP124: names that another plugin here, or zoo itself, has too."""

from __future__ import annotations

import os
from collections.abc import Iterator

from zoo.catalog import Found, PluginRecord, read_catalog
from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.places import place_of
from zoo.checking.static.cases import label_of, row_place, static_rule
from zoo.checking.subject import Subject
from zoo.manifest.kinds import KINDS
from zoo.manifest.rows import (
    AnyWeightsRow,
    BaseRow,
    CommandRow,
    ConfigRow,
    Contribution,
    WeightsFacts,
)

__all__ = ["RULES"]


def _named(subject: Subject) -> list[Case]:
    return [("", subject)] if subject.manifest is not None else []


def _check_plugin(subject: Subject, _: object) -> Iterator[Finding]:
    own = os.path.realpath(subject.manifest_path)
    for record in read_catalog().plugins:
        if record.name == subject.name and record.path is not None:
            is_same = os.path.realpath(record.path) == own or record.manifest == subject.manifest
            if is_same or _is_equal(record, subject):
                continue
            message = f"another plugin is called {subject.name!r}: {record.path.parent}."
            mend = "rename one of the two, or uninstall the other if it is an older copy."
            where = place_of(subject.manifest_path, "plugin", 0, "name")
            yield Finding("ZP120", where, message, mend, level="warning")


def _is_equal(record: PluginRecord, subject: Subject) -> bool:
    try:
        return record.path is not None and (
            record.path.read_bytes() == subject.manifest_path.read_bytes()
        )
    except OSError:
        return False


def _contributions(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.contributions:
        if not isinstance(row, CommandRow):
            yield label_of(row), row


def _commands(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.contributions:
        if isinstance(row, CommandRow):
            yield label_of(row), row


def _configs(subject: Subject) -> Iterator[Case]:
    if subject.manifest is not None:
        rows = (*subject.manifest.configs, *subject.manifest.bases)
        yield from ((label_of(row), row) for row in rows)


def _weights(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.weights:
        yield label_of(row), row


def _owners(subject: Subject, name: str) -> list[Found]:
    """Return the rows of other plugins that have a name; the same one elsewhere is none."""
    found = read_catalog().named(name)
    return [each for each in found if each.row.name == name and each.record.name != subject.name]


def _check_contribution(subject: Subject, row: Contribution) -> Iterator[Finding]:
    registry = KINDS[row.kind].registry or row.kind
    for found in _owners(subject, row.name):
        kind = KINDS.get(found.row.kind)
        if kind is not None and (kind.registry or kind.name) == registry:
            prefix = "zoo." if kind.registry else ""
            called = f"{prefix}{row.name}"
            yield _shared(subject, "ZP121", row, found, called, f"{prefix}{subject.name}.")
            return


def _check_command(subject: Subject, row: CommandRow) -> Iterator[Finding]:
    if row.name in subject.core_commands.get(row.group, ()):
        message = f"{row.parent} {row.name} is zoo's own command."
        mend = f"rename the command: it runs only as {row.parent} {subject.name}.{row.name}."
        yield Finding("ZP122", row_place(subject, row, "name"), message, mend)
        return
    for found in _owners(subject, row.name):
        if isinstance(found.row, CommandRow) and found.row.group == row.group:
            called = f"{row.parent} {row.name}"
            yield _shared(subject, "ZP122", row, found, called, f"{row.parent} {subject.name}.")
            return


def _check_config(subject: Subject, row: ConfigRow | BaseRow) -> Iterator[Finding]:
    for found in _owners(subject, row.name):
        if isinstance(found.row, ConfigRow | BaseRow):
            yield _shared(subject, "ZP123", row, found, row.name, f"zoo::{subject.name}/")
            return


def _check_weights(subject: Subject, row: AnyWeightsRow) -> Iterator[Finding]:
    for found in _owners(subject, row.name):
        if isinstance(found.row, WeightsFacts) and getattr(found.row, "sha256", 1) != row.sha256:
            yield _shared(subject, "ZP124", row, found, row.name, f"{subject.name}.")
            return


def _shared(
    subject: Subject,
    rule: str,
    row: Contribution | ConfigRow | BaseRow | AnyWeightsRow,
    found: Found,
    called: str,
    prefix: str,
) -> Finding:
    message = f"the plugin {found.record.name} has a {row.kind} {row.name} too, so that {called} "
    message += "is ambiguous where both are installed."
    mend = f"choose another name, or tell users to write {prefix}{row.name}."
    return Finding(rule, row_place(subject, row, "name"), message, mend, level="warning")


RULES = (
    static_rule(
        "ZP120", "plugin-name-free", "No other plugin here has its name.", _named, _check_plugin
    ),
    static_rule(
        "ZP121",
        "names-free",
        "No other plugin here has a contribution of that name.",
        _contributions,
        _check_contribution,
    ),
    static_rule(
        "ZP122",
        "command-names-free",
        "No command has the name of another, of zoo or of a plugin here.",
        _commands,
        _check_command,
    ),
    static_rule(
        "ZP123",
        "config-names-free",
        "No other plugin here has a config or a base of that name.",
        _configs,
        _check_config,
    ),
    static_rule(
        "ZP124",
        "weights-names-free",
        "No other plugin here has other weights of that name.",
        _weights,
        _check_weights,
    ),
)
