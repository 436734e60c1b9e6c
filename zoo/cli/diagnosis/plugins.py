# SPDX-License-Identifier: Apache-2.0
"""The plugins: manifest, requirements, shipped files and modules of each, and their own checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.diagnosis.distributions import (
    distribution_of_plugin,
    file_findings,
    is_editable,
    requirement_findings,
)
from zoo.cli.diagnosis.finding import Finding, not_checked
from zoo.cli.diagnosis.mend import Mend, reinstall_mend, shown
from zoo.cli.diagnosis.plugin_faults import (
    code_faults,
    file_faults,
    mend_of_hint,
    module_faults,
    targets_of,
    unmet_requirement,
    with_place,
)
from zoo.cli.plugged.offered import command_conflicts
from zoo.errors import ManifestError, PluginError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from zoo.catalog import PluginRecord

__all__ = ["plugin_findings", "plugin_jobs"]

Results = Mapping[str, Mapping[str, Any]]
_STATES = {"ok": "ok", "warning": "warning", "error": "broken"}


def plugin_jobs() -> dict[str, dict[str, Any]]:
    """Return the probes of all plugins: each module that a manifest names, and their own checks."""
    from zoo.catalog import read_catalog

    jobs: dict[str, dict[str, Any]] = {}
    for record in read_catalog().plugins:
        if record.error is not None or record.manifest is None:
            continue
        facts = {"plugin": record.name, "manifest": str(record.path), "source": record.source}
        for module, (_, target) in targets_of(record).items():
            jobs[_job(record, module)] = {"kind": "target", "target": target, **facts}
        for check in _names_of_checks(record):
            jobs[f"check {record.name}.{check}"] = {"kind": "check", "check": check, **facts}
    return jobs


def _names_of_checks(record: PluginRecord) -> list[str]:
    """Return the plugin's own checks of this machine."""
    from zoo.manifest.rows import CheckRow

    rows = () if record.manifest is None else record.manifest.contributions
    return [row.name for row in rows if isinstance(row, CheckRow) and row.of == "doctor"]


def _job(record: PluginRecord, module: str) -> str:
    return f"{record.name} {record.path} {module}"


def plugin_findings(results: Results) -> Iterator[Finding]:
    """Yield one finding of a sound plugin, and one of each fault of the others.

    Args:
        results: What the probes of `plugin_jobs` gave.
    """
    from zoo.catalog import read_catalog

    conflicts = command_conflicts()
    for record in read_catalog().plugins:
        installed = distribution_of_plugin(f"zoo_{record.name}") if record.is_importable else None
        if installed is not None and installed.name == "mmzoo":  # was looked at as zoo's own
            installed = None
        faults = [*_faults(record, installed, results)]
        yield from faults
        for error in conflicts.get(record.name, ()):
            mend = mend_of_hint(error.hint)
            yield Finding(f"plugin {record.name}", "warning", error.message, mend)
        if not faults and record.manifest is not None:
            found = f"{record.manifest.version} ({record.source})"
            yield Finding(f"plugin {record.name}", "ok", found)
        yield from _own_checks(record, results)
        if installed is not None:
            yield from requirement_findings(installed)


def _faults(
    record: PluginRecord, installed: Distribution | None, results: Results
) -> Iterator[Finding]:
    name = f"plugin {record.name}"
    anew = None if installed is None or is_editable(installed) else reinstall_mend(installed)
    try:
        record.checked()
        unmet = unmet_requirement(record)
    except PluginError as error:
        mend = anew if isinstance(error, ManifestError) else None
        yield Finding(name, "broken", with_place(error), mend or mend_of_hint(error.hint))
        return
    if unmet is not None:
        state = "missing" if unmet.found is None else "broken"
        yield Finding(name, state, unmet.message, mend_of_hint(unmet.hint), needed=False)
    files = [*file_faults(record), *module_faults(record)]
    yield from (Finding(name, "broken", reason, anew or shown(hint)) for reason, hint in files)
    if installed is not None and not files:
        yield from file_findings(installed)
    code = list(code_faults(record))
    yield from (Finding(name, "broken", reason, anew or shown(hint)) for reason, hint in code)
    if unmet is None and not files and not code:
        yield from _import_faults(record, results)


def _import_faults(record: PluginRecord, results: Results) -> Iterator[Finding]:
    """Yield why modules of a plugin cannot be imported."""
    name = f"plugin {record.name}"
    for module, (label, _) in targets_of(record).items():
        result = results.get(_job(record, module), {})
        if "refused" in result:
            where = f" ({result['where']})" if not result["is_load_error"] else ""
            yield Finding(name, "broken", f"{result['refused']}{where}", _mend(result))
        elif "late" in result:
            yield not_checked(name, f"{label}: importing {module}: {result['late']}")
        elif ended := result.get("ended") or result.get("text"):
            found = f"cannot load {label}: importing {module} fails: {ended}"
            hint = "report it to the plugin's author, or uninstall the plugin"
            yield Finding(name, "broken", found, shown(hint))


def _mend(result: Mapping[str, Any]) -> Mend | None:
    return mend_of_hint(result["hint"])


def _own_checks(record: PluginRecord, results: Results) -> Iterator[Finding]:
    """Yield what the plugin's own checks of this machine found."""
    for check in _names_of_checks(record):
        name = f"check {record.name}.{check}"
        result = results.get(name, {})
        if "late" in result:
            yield not_checked(name, result["late"])
        elif ended := result.get("ended") or result.get("text"):
            mend = shown("report it to the plugin's author, or uninstall the plugin")
            yield Finding(name, "broken", f"it did not run: {ended}", mend)
        for told in result.get("findings", ()):
            found = ": ".join(filter(None, (told["where"], told["found"])))
            yield Finding(name, _STATES[told["level"]], found, mend_of_hint(told["mend"]))
