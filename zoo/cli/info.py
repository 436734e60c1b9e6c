# SPDX-License-Identifier: Apache-2.0
"""``zoo info``: everything that the manifests say about a name."""

from __future__ import annotations

from typing import Any

import click

from zoo.catalog import SOURCE, Catalog, Found, read_catalog
from zoo.cli.options.completion import complete_any_name
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.errors import UnknownNameError
from zoo.manifest.kinds import KINDS
from zoo.manifest.weights_rows import split_version
from zoo.weights.sources.lookup import is_scoped

__all__ = ["command"]


@click.command("info", cls=ZooCommand)
@click.argument("name", metavar="[KIND/]NAME", shell_complete=complete_any_name)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, as_json: bool) -> None:
    """Show everything the manifests say about NAME: weights, also old ones, a config, a loss, ...

    For the path of a .safetensors, show what the file says about itself.

    NAME may be `plugin.Name`. A kind in front (`loss/DiceLoss`, `plugin/lung_xray`) chooses among
    several entries with the same name.
    """
    facts = _describe(read_catalog(), name)
    if as_json:
        say_json(facts)
        return
    for index, fact in enumerate(facts):
        if index:
            say()
        if fact["kind"] == "weights":
            from zoo.cli.output.weights_card import weights_card

            say(*weights_card(fact))
        else:
            _print_fact(fact)


def _describe(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    file = _file_facts(catalog, name)
    if file is not None:
        return [file]
    if is_scoped(split_version(name)[0]) or split_version(name)[1] is not None:
        return [_version_facts(catalog, name)]
    kind, slash, bare = name.rpartition("/")
    bare = catalog.bare(bare)
    if kind == "plugin":
        return [_plugin_facts(catalog, bare)]
    found = _matches(catalog, kind if slash else None, bare)
    if found:
        return [_row_facts(each) for each in found]
    if slash and kind not in {*KINDS, "config", "legacy", "weights"}:
        message = f"nothing is named {name!r}: {kind!r} is neither a kind nor a source."
        hint = "zoo source list shows the sources; for kinds, see zoo info plugin/NAME."
        raise UnknownNameError(message, kind="name", name=name, hint=hint)
    if slash and kind not in ("legacy", "weights"):
        catalog.find(kind, bare)  # raises, with the near names of that kind
    if not slash and any(record.name == bare for record in catalog.plugins):
        return [_plugin_facts(catalog, bare)]
    catalog.check_named(bare)
    return [_legacy_facts(catalog, kind if slash else "name", bare)]


def _file_facts(catalog: Catalog, name: str) -> dict[str, Any] | None:
    """Return what the file at a path says about itself, or None if the name is not such a path.

    Raises:
        UnknownNameError: It looks like the path of a file, and there is none.
    """
    from zoo.errors import UnknownNameError
    from zoo.files import expand_home
    from zoo.weights.file_facts import WEIGHTS_SUFFIXES, describe_file

    if not name.endswith(WEIGHTS_SUFFIXES):
        return None
    path = expand_home(name)
    if path.is_file():
        return describe_file(path, catalog)
    message = f"no file named {name!r}, expected the path of one, or a name."
    hint = "give the file's path, or the name that zoo list shows."
    raise UnknownNameError(message, kind="file", name=name, hint=hint)


def _version_facts(catalog: Catalog, name: str) -> dict[str, Any]:
    """Return what is known of one version of weights, of the newest one if the name states none."""
    from zoo.weights.sources.choosing import find_versions, marks_of, take_version

    bare, version = split_version(name)
    versions = find_versions(bare, catalog)
    found = take_version(versions, bare, version or max(versions))
    facts = _row_facts(found)
    if found.record.source == SOURCE:
        facts["state"] = ", ".join(marks_of(found)) or "ok"
    return {**facts, "versions": sorted(versions)}


def _matches(catalog: Catalog, kind: str | None, name: str) -> list[Found]:
    return [
        found
        for found in catalog.rows(kind)
        # A data set is also called by its plugin.
        if found.is_called(name) or (kind == "dataset" and found.record.name == name)
    ]


def _row_facts(found: Found) -> dict[str, Any]:
    facts = {"kind": found.row.kind, "plugin": found.record.name, **_plain(found.row)}
    facts["manifest"] = str(found.record.path)
    return {**facts, **_weights_facts(found), **_differences(found)}


def _weights_facts(found: Found) -> dict[str, Any]:
    """Return what a listing says of weights besides their row, such as the place of the file."""
    from zoo.catalog import read_catalog
    from zoo.cli.options.weights_entries import weights_entry
    from zoo.manifest.rows import WeightsFacts

    if not isinstance(found.row, WeightsFacts):
        return {}
    entry = weights_entry(read_catalog(), found, found.row)
    return {key: entry[key] for key in ("size", "file", "path", "summary", "classes")}


def _plain(value: Any) -> Any:
    """Return a row as dicts, lists and plain values; tables of forms are reduced to names."""
    from collections.abc import Mapping
    from dataclasses import fields, is_dataclass

    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        is_short = all(isinstance(each, str) for each in value.values())
        return dict(value) if is_short else list(value)
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _differences(found: Found) -> dict[str, Any]:
    """Return what a weights row says otherwise than its file, where that is on this machine."""
    from dataclasses import asdict

    from zoo.errors import ZooError
    from zoo.manifest.rows import WeightsRow
    from zoo.weights.files import local_files
    from zoo.weights.row_check import find_differences

    if not isinstance(found.row, WeightsRow):
        return {}
    try:
        paths = list(local_files(found))
    except (OSError, ZooError):  # an unreadable cache hides no row
        return {}
    differing = {each: None for path in paths for each in find_differences(found.row, path)}
    return {"differs_from_its_file": [asdict(each) for each in differing]} if differing else {}


def _plugin_facts(catalog: Catalog, name: str) -> dict[str, Any]:
    record = catalog.plugin(name)
    manifest = record.checked()
    rows = [found for found in catalog.rows() if found.record.name == name]
    return {
        "kind": "plugin",
        "name": name,
        "version": manifest.version,
        "api": manifest.api,
        "summary": manifest.summary,
        "license": manifest.license,
        "notice": manifest.notice,
        "requires": manifest.requires,
        "source": record.source,
        "provides": [f"{found.row.kind}/{found.row.name}" for found in rows],
        "manifest": str(record.path),
    }


def _legacy_facts(catalog: Catalog, kind: str, name: str) -> dict[str, Any]:
    """Return what is known about an old checkpoint; the indexes are only read for such names."""
    from dataclasses import asdict

    from zoo.weights.legacy import find_legacy
    from zoo.weights.lock import pin_of, read_pins

    found = find_legacy(catalog, name)
    if found is None:
        raise _unknown(catalog, kind, name)
    pin = pin_of(read_pins(), found.row.name, found.record.name)
    facts = {"kind": "legacy", "plugin": found.record.name, **asdict(found.row)}
    facts["state"] = "adopted" if pin else "legacy: zoo rescue FOLDER adopts a copy"
    if pin is not None:
        facts |= {key: value for key, value in asdict(pin).items() if key not in facts}
    return facts


def _unknown(catalog: Catalog, kind: str, name: str) -> Exception:
    from zoo.errors import UnknownNameError
    from zoo.names import hint_near, near_names
    from zoo.weights.legacy import legacy_rows, with_unread

    names = [found.row.name for found in catalog.rows("weights" if kind == "weights" else None)]
    plugins = [record.name for record in catalog.plugins] if kind == "name" else []
    near = near_names(name, [*names, *plugins])
    old, unread = legacy_rows(catalog)
    near = near or near_names(name, [found.row.name for found in old])
    message = f"nothing is named {name!r}." if kind == "name" else f"no {kind} named {name!r}."
    listings = "`zoo list`, `zoo config list`, `zoo data list` and `zoo plugin list` show all."
    hint = hint_near(near, listings)
    unknown = UnknownNameError(message, kind=kind, name=name, near=near, hint=hint)
    return with_unread(unknown, unread)


def _print_fact(fact: dict[str, Any]) -> None:
    for key, value in fact.items():
        if value in (None, (), [], {}, ""):
            continue
        if isinstance(value, dict):
            # Deeper values, such as the lists of a run's images, are only in --json.
            plain = {k: v for k, v in value.items() if not isinstance(v, (dict, list))}
            say(f"{key}:", *(f"  {k}: {v}" for k, v in plain.items()))
        elif isinstance(value, (list, tuple)) and isinstance(value[0], dict):
            say(f"{key}:")
            for each in value:
                say("  - " + ", ".join(f"{k}={v}" for k, v in each.items()))
        elif isinstance(value, (list, tuple)):
            say(f"{key}: {', '.join(map(str, value))}")
        else:
            say(f"{key}: {value}")
