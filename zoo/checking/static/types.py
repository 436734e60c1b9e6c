# SPDX-License-Identifier: Apache-2.0
"""ZP304 and ZP305: the types that configs name exist, in plugins and in OpenMMLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.catalog import read_catalog
from zoo.checking.finding import Finding
from zoo.checking.source.configs import ConfigText, Named, read_config_text
from zoo.checking.source.definitions import find_definition
from zoo.checking.source.upstream import SCOPES, upstream_names
from zoo.checking.static.cases import static_rule
from zoo.checking.static.configs import config_files
from zoo.checking.subject import Subject
from zoo.manifest.kinds import KINDS
from zoo.names import hint_near, near_names

__all__ = ["RULES"]

_ZOO = "zoo."
_REGISTERED = frozenset(name for name, kind in KINDS.items() if kind.registry)
_FOREIGN = ("Albu", "mmdet.Albu")  # its transforms are albumentations' own


def _check_own(subject: Subject, path: Path) -> Iterator[Finding]:
    for named in read_config_text(path).types:
        if named.text.startswith(_ZOO):
            yield from _check_zoo(subject, path, named)
        elif named.text.startswith(f"{subject.package_name}."):
            yield from _check_dotted(subject, path, named)


def _check_zoo(subject: Subject, path: Path, named: Named) -> Iterator[Finding]:
    """Check ``zoo.Name`` or ``zoo.plugin.Name``."""
    plugin, dot, name = named.text.removeprefix(_ZOO).rpartition(".")
    own = _own_names(subject)
    if (not dot or plugin == subject.name) and name in own:
        return
    catalog = read_catalog()
    others = [record for record in catalog.plugins if record.name != subject.name]
    if dot and plugin != subject.name and plugin not in [record.name for record in others]:
        message = f"the type {named.text!r} is of the plugin {plugin}, which is not here."
        mend = f"install that plugin to have the type checked, or correct {named.text!r}."
        near = near_names(plugin, [subject.name, *(record.name for record in others)])
        level = "error" if near else "warning"
        yield Finding("ZP304", _at(path, named), message, hint_near(near, mend), level=level)
        return
    rows = [
        (found.record.name, found.row)
        for record in others
        for found in catalog.named(name)
        if found.record is record
    ]
    if any(row.kind in _REGISTERED and plugin in ("", owner) for owner, row in rows):
        return
    known = [f"zoo.{subject.name}.{each}" for each in own]
    known += [found.type for found in catalog.rows() if found.row.kind in _REGISTERED]
    if dot:
        known = [each for each in known if each.startswith(f"zoo.{plugin}.")]
    # By the last part alone: a common prefix would make every type of a plugin a near one.
    spelled = {each.rpartition(".")[2]: each for each in reversed(known)}
    close = [spelled[each] for each in near_names(name, spelled)]
    message = f"the type {named.text!r} does not exist: no row of a manifest has that name."
    mend = hint_near(close, f"add a row for it to {subject.manifest_path.name}, or correct it.")
    yield Finding("ZP304", _at(path, named), message, mend)


def _own_names(subject: Subject) -> list[str]:
    """Return the names of the rows that configs build, broken ones too."""
    tables = ((kind, subject.survey.document.get(kind)) for kind in _REGISTERED)
    rows = (row for _, values in tables if isinstance(values, list) for row in values)
    names = (row.get("name") for row in rows if isinstance(row, dict))
    return [name for name in names if isinstance(name, str)]


def _check_dotted(subject: Subject, path: Path, named: Named) -> Iterator[Finding]:
    """Check ``zoo_plugin.module.Name``, which needs no row."""
    module, _, name = named.text.rpartition(".")
    found = find_definition(subject.package, module, name)
    if found is None or found.kind == "missing":
        message = f"the type {named.text!r} does not exist: {module} defines no {name}."
        mend = f"correct it, or write zoo.{subject.name}.NAME for a row of the manifest."
        yield Finding("ZP304", _at(path, named), message, mend)


def _check_upstream(subject: Subject, path: Path) -> Iterator[Finding]:
    text = read_config_text(path)
    for named in text.types:
        scope, _, name = named.text.rpartition(".")
        if scope not in ("", *SCOPES) or name in upstream_names():
            continue
        is_own = name in _own_names(subject)
        if not scope and not is_own and not name[:1].isupper():
            continue  # a value of that key, rather than a type: type="conv"
        message = f"the type {named.text!r} does not exist: OpenMMLab registers none of that name."
        own = (f"zoo.{subject.name}.{name}",)
        near = own if is_own else near_names(name, upstream_names())
        mend = hint_near(near, "correct it, or write zoo.PLUGIN.NAME for a type of a plugin.")
        level = "warning" if _may_have_more(text) and not is_own else "error"
        yield Finding("ZP305", _at(path, named), message, mend, level=level)


def _may_have_more(text: ConfigText) -> bool:
    """Return whether names of other libraries may stand in a config."""
    return text.imports or any(named.text in _FOREIGN for named in text.types)


def _at(path: Path, named: Named) -> str:
    return f"{path}:{named.line}" if named.line else str(path)


RULES = (
    static_rule(
        "ZP304",
        "plugin-types-exist",
        "Each zoo. type in a config is a row of a manifest.",
        config_files,
        _check_own,
    ),
    static_rule(
        "ZP305",
        "upstream-types-exist",
        "Each other type in a config is one that OpenMMLab registers.",
        config_files,
        _check_upstream,
    ),
)
