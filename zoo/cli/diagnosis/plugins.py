# SPDX-License-Identifier: Apache-2.0
"""The plugins: manifest, requirements, shipped files and modules of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.diagnosis.distributions import (
    distribution_of_plugin,
    file_findings,
    is_editable,
    requirement_findings,
)
from zoo.cli.diagnosis.finding import Finding, reinstall_line
from zoo.cli.plugged.offered import command_conflicts
from zoo.errors import DownloadError, IncompatibleError, LoadError, ManifestError, PluginError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from zoo.catalog import Catalog, Found, PluginRecord

__all__ = ["plugin_findings"]

_PACKAGE = "package:"


def plugin_findings(*, can_import: bool) -> Iterator[Finding]:
    """Yield one finding of a sound plugin, and one of each fault of the others.

    Args:
        can_import: Whether to import what the manifests name; without torch and OpenMMLab every
            import would fail for that one reason, so only the files are looked for.
    """
    from zoo.catalog import read_catalog

    catalog = read_catalog()
    conflicts = command_conflicts()
    for record in catalog.plugins:
        installed = distribution_of_plugin(f"zoo_{record.name}") if record.is_importable else None
        if installed is not None and installed.name == "mmzoo":  # was looked at as zoo's own
            installed = None
        faults = [*_faults(catalog, record, installed, can_import=can_import)]
        yield from faults
        for error in conflicts.get(record.name, ()):
            yield Finding(f"plugin {record.name}", "warning", error.message, error.hint)
        if not faults and record.manifest is not None:
            found = f"{record.manifest.version} ({record.source})"
            yield Finding(f"plugin {record.name}", "ok", found)
        if installed is not None:
            yield from requirement_findings(installed)


def _faults(
    catalog: Catalog, record: PluginRecord, installed: Distribution | None, *, can_import: bool
) -> Iterator[Finding]:
    from zoo.manifest.requirements import check_requirements

    name = f"plugin {record.name}"
    anew = None if installed is None or is_editable(installed) else reinstall_line(installed)
    try:
        manifest = record.checked()
        check_requirements(manifest.requires, plugin=record.name, manifest=manifest.path)
    except IncompatibleError as error:
        state = "missing" if error.found is None else "broken"
        yield Finding(name, state, error.message, error.hint, needed=False)
        return
    except PluginError as error:
        fix = anew if isinstance(error, ManifestError) else None
        yield Finding(name, "broken", _with_place(error), fix or error.hint)
        return
    files = list(_file_faults(record))
    yield from (Finding(name, "broken", reason, anew or hint) for reason, hint in files)
    if installed is not None and not files:
        yield from file_findings(installed)
    for reason, hint, is_absent in _module_faults(catalog, record, can_import=can_import):
        yield Finding(name, "broken", reason, anew if is_absent and anew else hint)


def _with_place(error: PluginError) -> str:
    return f"{error.message} ({error.where})" if error.where else error.message


def _file_faults(record: PluginRecord) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the files that a package ships, and how to fix it."""
    from zoo.catalog import Found
    from zoo.manifest.rows import WeightsRow
    from zoo.weights.legacy import read_index

    for row in record.checked().configs:
        path = record.file(row.file)
        if not path.is_file():
            yield f"the file of config {row.name!r} is missing: {path}", _get(path)
    for index in record.checked().legacy_indexes:
        try:
            read_index(record, index.file)
        except PluginError as error:
            yield _with_place(error), error.hint or ""
    for found in (Found(record, each) for each in record.checked().weights):
        if isinstance(found.row, WeightsRow):  # a living row ships no file
            yield from _weights_faults(found)


def _weights_faults(found: Found) -> Iterator[tuple[str, str]]:
    from zoo.weights.files import check_file, weights_row
    from zoo.weights.row_check import check_row

    row = weights_row(found)
    elsewhere = any(not url.startswith(_PACKAGE) for url in row.urls)
    for url in row.urls:
        if not url.startswith(_PACKAGE):
            continue
        path = found.record.file(url.removeprefix(_PACKAGE))
        if not path.is_file():
            if not elsewhere:
                yield f"the file of the weights {row.name!r} is missing: {path}", _get(path)
            continue
        try:
            check_file(path, row.sha256, row.size_bytes)
            check_row(found, path)
        except DownloadError as error:
            yield f"{error.message} ({path})", _get(path)
        except ManifestError as error:
            yield " ".join(error.message.split()), error.hint or ""


def _get(path: Path) -> str:
    return f"get {path.name} again from where the plugin came from, to {path.parent}"


def _module_faults(
    catalog: Catalog, record: PluginRecord, *, can_import: bool
) -> Iterator[tuple[str, str, bool]]:
    """Yield what is wrong with each module that a manifest names, and whether it is missing."""
    from zoo.loading import load_target

    folder = record.checked().folder
    for module, (label, target) in _targets(catalog, record).items():
        place = folder.joinpath(*module.split(".")[1:])
        candidates = (place.with_suffix(".py"), place / "__init__.py")
        if not any(path.is_file() for path in candidates) and not _has_binary(place):
            reason = f"the module of {label} is missing: expected {candidates[0]}"
            yield reason, _get(candidates[0]), True
            continue
        if not can_import:
            continue
        try:
            load_target(record, target)
        except LoadError as error:
            yield error.message, error.hint or "", False
        except PluginError as error:  # another package of that name is imported
            yield _with_place(error), error.hint or "", False


def _has_binary(place: Path) -> bool:
    """Return whether a module exists in another form, such as compiled."""
    return any(place.parent.glob(f"{place.name}.*.so")) or any(
        place.parent.glob(f"{place.name}.*.pyd")
    )


def _targets(catalog: Catalog, record: PluginRecord) -> dict[str, tuple[str, str]]:
    """Return module -> what needs it, and one target in it."""
    found: dict[str, tuple[str, str]] = {}
    for row in record.checked().contributions:
        named = [(row.kind, row.target)]
        named += [(what, getattr(row, what, None) or "") for what in ("prepare", "sample")]
        for what, target in named:
            if target:
                label = f"{what} {row.name!r}" if what == row.kind else f"{what} of {row.name!r}"
                found.setdefault(target.partition(":")[0], (label, target))
    return found
