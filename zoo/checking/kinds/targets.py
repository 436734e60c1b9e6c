# SPDX-License-Identifier: Apache-2.0
"""Checks that a manifest agrees with the code that it describes; a failed check raises."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from zoo import interfaces
from zoo.catalog import Found, PluginRecord
from zoo.checking.project_version import ELSEWHERE, find_version
from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.errors import ManifestError
from zoo.loading import load_target
from zoo.manifest.discovery import ENTRY_POINT_GROUP
from zoo.manifest.kinds import KINDS
from zoo.manifest.rows import (
    AnyWeightsRow,
    CheckRow,
    Contribution,
    DatasetRow,
    ExchangeRow,
    ExporterRow,
    Manifest,
    Option,
    WeightsRow,
)
from zoo.weights import find_weights_file, local_files

__all__ = [
    "Target",
    "check_members",
    "check_pyproject",
    "check_target",
    "check_targets",
    "check_weights",
    "check_weights_row",
    "targets_of",
]


class Target(NamedTuple):
    """A target in a row of a manifest, and the Protocol that it must implement."""

    row: Contribution
    target: str
    protocol: str


def check_pyproject(manifest: Manifest) -> None:
    """Check that pyproject.toml agrees with the manifest.

    The version is equal in both files, or stands in the manifest alone: ``dynamic = ["version"]``,
    and a ``setup.py`` or pyproject.toml names ``zoo_plugin.toml`` as the file to read it from.

    Args:
        manifest: Manifest of the plugin; an installed plugin has no pyproject.toml and passes.

    Raises:
        ManifestError: The version or the entry point differs, or the version is read elsewhere.
    """
    path = manifest.folder.parent / "pyproject.toml"
    if not os.path.lexists(path):
        return
    try:
        document = read_toml(path, Limits())
    except (OSError, DocumentError) as error:
        message = f"cannot accept plugin {manifest.plugin!r}: pyproject.toml: {reason_of(error)}."
        hint = "fix what the message names."
        raise ManifestError(message, plugin=manifest.plugin, where=path, hint=hint) from error
    points = document.get("project", {}).get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    compared = (
        ("version", find_version(path.parent, document, manifest.version), manifest.version),
        (f'entry-points."{ENTRY_POINT_GROUP}"', points.get(manifest.plugin), manifest.package),
    )
    for key, found, wanted in compared:
        if found != wanted:
            message = (
                f"cannot accept plugin {manifest.plugin!r}: pyproject.toml {key} is {found!r}, "
                f"expected {wanted!r} as the manifest has it."
            )
            hint = f"make {key} agree in both files."
            if found is ELSEWHERE:
                hint = "let setup.py read the manifest, as docs/guide/write-a-plugin.md shows."
            raise ManifestError(
                message, plugin=manifest.plugin, manifest=manifest.path, where=path, hint=hint
            )


# Protocol of a function -> how many values it is called with by position, and its keywords.
_CALLED_WITH: dict[str, tuple[int, tuple[str, ...]]] = {
    "PrepareTarget": (2, ("shares", "progress")),
    "InitTarget": (1, ("progress",)),
    "SampleTarget": (1, ("seed", "count")),
    "DataCheck": (1, ()),
    "DoctorCheck": (0, ()),
    "Planner": (3, ()),
    "Exporter": (3, ()),
    "Runner": (1, ()),
}


def check_targets(record: PluginRecord) -> None:
    """Check that every target of a plugin can be imported and implements its Protocol.

    Args:
        record: A plugin from the catalog.

    Raises:
        LoadError: Importing a target fails.
        ManifestError: A target lacks a member of its Protocol.
        PluginError: The plugin cannot be used at all.
    """
    for target in targets_of(record.checked()):
        check_target(record, target)


def check_target(record: PluginRecord, target: Target) -> None:
    """Check that one target can be imported and implements its Protocol.

    Args:
        record: A plugin from the catalog.
        target: A target in its manifest.

    Raises:
        LoadError: Importing it fails.
        ManifestError: It lacks a member of its Protocol.
        PluginError: The plugin cannot be used at all.
    """
    manifest, protocol = record.checked(), target.protocol
    found = load_target(record, target.target)
    if protocol in _CALLED_WITH:
        options = _options(target.row, protocol)
        names = tuple(option.name.replace("-", "_") for option in options)
        _check_keywords(manifest, target.target, found, protocol, names)
    else:
        check_members(manifest, target.target, found, protocol)


def check_weights(record: PluginRecord) -> None:
    """Check that rows of weights agree with their files, if these are on this machine.

    Args:
        record: A plugin from the catalog.

    Raises:
        DownloadError: A file in the package is missing or differs from its row.
        ManifestError: A row contradicts the record in its file.
        PluginError: The plugin cannot be used at all.
    """
    for row in record.checked().weights:
        check_weights_row(record, row)


def check_weights_row(record: PluginRecord, row: AnyWeightsRow) -> None:
    """Check that one row of weights agrees with its file, if that is on this machine.

    The file of a living row is elsewhere; its converter is checked like every target.

    Args:
        record: A plugin from the catalog.
        row: A row of its manifest.

    Raises:
        DownloadError: The file in the package is missing or differs from the row.
        ManifestError: The row contradicts the record in its file.
        PluginError: The plugin cannot be used at all.
    """
    if not isinstance(row, WeightsRow):
        return
    found = Found(record, row)
    is_packaged = any(url.startswith("package:") for url in row.urls)
    if is_packaged or next(local_files(found), None) is not None:
        find_weights_file(found)


def check_members(manifest: Manifest, target: str, found: object, protocol: str) -> None:
    """Check that a class implements a Protocol of ``zoo.interfaces``.

    Only methods are checked. Attributes set in ``__init__`` exist only on instances.

    Args:
        manifest: Manifest of the plugin.
        target: Where the class was imported from, for the message.
        found: The class, or a function for ``Buildable``.
        protocol: Name of the Protocol.

    Raises:
        ManifestError: A method is missing, or the object is not callable.
    """
    if not callable(found):
        _fail(manifest, target, f"it is {found!r}", "a class or function")
    if protocol == "Buildable":
        return
    missing = [name for name in _methods(protocol) if not callable(getattr(found, name, None))]
    if missing:
        _fail(manifest, target, f"it lacks {', '.join(missing)}", f"what interfaces.{protocol} has")


def targets_of(manifest: Manifest) -> Iterator[Target]:
    """Yield every target in a manifest, including the extra targets of data sets.

    Args:
        manifest: Manifest of the plugin.
    """
    for row in manifest.contributions:
        for protocol in _protocols(row):
            yield Target(row, row.target, protocol)
        if isinstance(row, ExporterRow) and row.runner is not None:
            yield Target(row, row.runner, "Runner")
        if isinstance(row, DatasetRow):
            if row.prepare is not None:
                yield Target(row, row.prepare, "PrepareTarget")
            if row.init is not None:
                yield Target(row, row.init, "InitTarget")
            if row.sample is not None:
                yield Target(row, row.sample, "SampleTarget")


def _protocols(row: Contribution) -> tuple[str, ...]:
    """Return what the target of a row must implement."""
    if isinstance(row, ExchangeRow):
        wanted = {"LabelReader": row.reads, "LabelWriter": row.writes}
        return tuple(protocol for protocol, is_wanted in wanted.items() if is_wanted)
    is_of_data = isinstance(row, CheckRow) and row.of == "data"
    return ("DataCheck" if is_of_data else KINDS[row.kind].protocol,)


def _options(row: Contribution, protocol: str) -> tuple[Option, ...]:
    takes_options = protocol in ("PrepareTarget", "InitTarget")
    return row.options if isinstance(row, DatasetRow) and takes_options else ()


def _methods(protocol: str) -> list[str]:
    """Return the methods that a Protocol and its bases define."""
    # typing adds these two to every Protocol.
    added = ("__init__", "__subclasshook__")
    bases = getattr(interfaces, protocol).__mro__
    own = [
        vars(base).items()
        for base in bases
        if base.__module__.rpartition(".")[0] == interfaces.__name__
    ]
    found = (name for items in own for name, value in items if inspect.isfunction(value))
    return [name for name in dict.fromkeys(found) if name not in added]


def _check_keywords(
    manifest: Manifest, target: str, found: Any, protocol: str, options: tuple[str, ...]
) -> None:
    if not callable(found):
        _fail(manifest, target, f"it is {found!r}", "a function")
    count, keywords = _CALLED_WITH[protocol]
    try:
        arguments = (Path("folder"),) * count
        inspect.signature(found).bind(*arguments, **dict.fromkeys((*keywords, *options)))
    except TypeError as error:
        _fail(manifest, target, f"it cannot be called: {error}", f"interfaces.{protocol}")


def _fail(manifest: Manifest, target: str, found: str, wanted: str) -> None:
    message = f"cannot accept {target!r} of plugin {manifest.plugin!r}: {found}, expected {wanted}."
    hint = "correct the code, or the manifest."
    raise ManifestError(message, plugin=manifest.plugin, manifest=manifest.path, hint=hint)
