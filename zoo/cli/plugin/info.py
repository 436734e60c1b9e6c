# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin info``: what a plugin is and offers, and what of it is on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_plugin
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.texts import counted

if TYPE_CHECKING:
    from zoo.catalog import Catalog, Found, PluginRecord
    from zoo.manifest.rows import DatasetRow, Manifest

__all__ = ["command"]

_MOST_SHOWN = 12
_SHOWN_APART = ("dataset", "config", "weights", "command")
_WEIGHTS = (
    *("name", "task", "config", "size", "size_bytes", "file", "path", "state", "error"),
    *("licence", "data_licence", "non_commercial", "version", "yanked", "successor"),
)


@click.command("info", cls=ZooCommand)
@click.argument("name", metavar="NAME", shell_complete=complete_plugin)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, as_json: bool) -> None:
    """Show everything of the plugin NAME: what it requires and offers, and which files are here.

    Only its manifest is read; nothing of it is imported.
    """
    from zoo.catalog import read_catalog

    catalog = read_catalog()
    record = catalog.plugin(name)
    facts = _facts(catalog, record, record.checked())
    if as_json:
        say_json(facts)
    else:
        say(*_lines(facts))


def _facts(catalog: Catalog, record: PluginRecord, manifest: Manifest) -> dict[str, Any]:
    from zoo.cli.options.weights_entries import weights_entry
    from zoo.manifest.rows import WeightsFacts

    found = [each for each in catalog.rows() if each.record is record]
    kinds = dict.fromkeys(row.kind for row in manifest.contributions)
    weights = [
        weights_entry(catalog, each, each.row)
        for each in found
        if isinstance(each.row, WeightsFacts)
    ]
    return {
        "name": manifest.plugin,
        "version": manifest.version,
        "summary": manifest.summary,
        "license": manifest.license,
        "homepage": manifest.homepage,
        "notice": manifest.notice,
        "api": manifest.api,
        "distribution": _distribution(manifest),
        "found_in": record.source,
        "package": str(manifest.folder),
        "manifest": str(manifest.path),
        "requires": [_requirement(text, manifest) for text in manifest.requires],
        "datasets": [_dataset(row) for row in manifest.datasets],
        "rows": {kind: [_row(each) for each in found if each.row.kind == kind] for kind in kinds},
        "configs": [
            {"name": row.name, "file": row.file, "summary": row.summary} for row in manifest.configs
        ],
        "weights": [{key: each[key] for key in _WEIGHTS} for each in weights],
        "legacy_indexes": [{"file": row.file} for row in manifest.legacy_indexes],
        "licences": _licences(manifest),
    }


def _distribution(manifest: Manifest) -> dict[str, str] | None:
    """Return the distribution whose entry point names the package, or None if none is installed."""
    from importlib.metadata import entry_points

    from zoo.manifest.discovery import ENTRY_POINT_GROUP

    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.value == manifest.package and point.dist is not None:
            return {"name": point.dist.name, "version": point.dist.version}
    return None


def _requirement(text: str, manifest: Manifest) -> dict[str, Any]:
    """Return a requirement, what is installed, and whether that meets it; None if not needed."""
    from zoo.manifest.requirements import find_installed, is_fitting, read_requirement

    requirement = read_requirement(text, plugin=manifest.plugin, manifest=manifest.path)
    installed = find_installed(requirement.name)
    try:
        is_needed = requirement.marker is None or requirement.marker.evaluate()
    except (ValueError, KeyError):  # such as a python_version that is no version
        is_needed = True
    is_met = installed is not None and is_fitting(requirement, installed[1])
    found = None if installed is None else " ".join(installed)
    return {"requirement": text, "installed": found, "is_met": is_met if is_needed else None}


def _row(found: Found) -> dict[str, Any]:
    """Return a contribution with what only its kind has, such as the direction of a metric."""
    row = found.row
    apart = {"kind", "record", "record_like", "options"}
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    plain = (str, int, float, bool, tuple, type(None))
    kept = {k: v for k, v in values.items() if k not in apart and isinstance(v, plain)}
    return {**kept, "error": None if found.error is None else str(found.error)}


def _dataset(row: DatasetRow) -> dict[str, Any]:
    options = [
        {
            "option": f"--{option.name}",
            "type": option.type,
            "choices": list(option.choices),
            "default": option.default,
            "multiple": option.multiple,
            "help": option.help,
        }
        for option in row.options
    ]
    return {
        "name": row.name,
        "task": row.task,
        "classes": row.classes,
        "labels": row.labels,
        "shares": row.shares,
        "licence": row.licence,
        "summary": row.summary,
        "has": [name for name in ("prepare", "sample", "init") if getattr(row, name)],
        "options": options,
    }


def _licences(manifest: Manifest) -> dict[str, list[str]]:
    """Return the licences of the code, of the weights, and of the data of both kinds of rows."""
    data = [*(row.licence for row in manifest.datasets)]
    data += [row.data_licence for row in manifest.weights]
    weights = [row.licence for row in manifest.weights]
    return {
        "code": [manifest.license],
        "weights": list(dict.fromkeys(weights)),
        "data": list(dict.fromkeys(data)),
    }


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"{facts['name']} {facts['version']}: {facts['summary']}"
    yield ""
    distribution = facts["distribution"]
    installed = f"{distribution['name']} {distribution['version']}" if distribution else None
    for key, value in (
        ("distribution", installed or f"none is installed; found in {facts['found_in']}"),
        ("package", facts["package"]),
        ("homepage", facts["homepage"]),
        ("notice", facts["notice"]),
        ("api", facts["api"]),
        *((f"licence of {what}", "; ".join(texts)) for what, texts in facts["licences"].items()),
    ):
        if value:
            yield f"{key}: {value}"
    yield from _section("requires", [_requirement_line(each) for each in facts["requires"]])
    for row in facts["datasets"]:
        yield from _section(f"data set {row['name']}", [*_dataset_lines(row)])
    for kind, rows in facts["rows"].items():
        if kind not in _SHOWN_APART:
            yield from _section(kind, [_row_line(row) for row in rows])
    commands = facts["rows"].get("command", ())
    yield from _section("commands", [_command_line(row) for row in commands])
    yield from _section(
        "configs", [_named(row["name"], row["summary"]) for row in facts["configs"]]
    )
    yield from _section("weights", [*_weights_lines(facts)])
    indexes = [row["file"] for row in facts["legacy_indexes"]]
    yield from _section("old checkpoints (zoo list --legacy)", indexes)


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"{title}:", *(f"  {line}" for line in lines))


def _requirement_line(row: Mapping[str, Any]) -> str:
    state = {None: "not needed here", True: f"met by {row['installed']}"}
    missing = f"not met: {row['installed'] or 'not'} installed"
    return f"{row['requirement']}  ({state.get(row['is_met'], missing)})"


def _dataset_lines(row: Mapping[str, Any]) -> Iterator[str]:
    classes = row["classes"] if isinstance(row["classes"], str) else ", ".join(row["classes"])
    if row["summary"]:
        yield row["summary"]
    yield f"task: {row['task']}; classes: {classes}; labels: {row['labels']}"
    yield f"licence: {row['licence']}"
    commands = [f"zoo data {name}" for name in row["has"] if name != "init"]
    if commands:
        yield f"commands: {', '.join(commands)}"
    for option in row["options"]:
        kind = "|".join(option["choices"]) or option["type"]
        default = "" if option["default"] in (None, "", False) else f", default {option['default']}"
        yield f"{option['option']} ({kind}{default}): {option['help']}"


def _row_line(row: Mapping[str, Any]) -> str:
    error = "  (conflict: the short name is taken)" if row["error"] else ""
    return f"{_named(row['name'], row['summary'])}  [{row['target']}]{error}"


def _command_line(row: Mapping[str, Any]) -> str:
    group = row.get("group")
    return _named(f"zoo {group + ' ' if group else ''}{row['name']}", row["summary"])


def _named(name: str, summary: str | None) -> str:
    return f"{name}: {summary}" if summary else name


def _weights_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    rows = facts["weights"]
    for row in rows[:_MOST_SHOWN]:
        state = "" if row["state"] == "ok" else f"; {row['state']}"
        size = f", {row['size']}" if row["size"] else ""
        yield f"{row['name']}: {row['task']}{size}; {row['file']}{state}; {row['licence']}"
    if len(rows) > _MOST_SHOWN:
        more = counted(len(rows) - _MOST_SHOWN, "weights")
        yield f"and {more} more: zoo list --plugin {facts['name']}"
