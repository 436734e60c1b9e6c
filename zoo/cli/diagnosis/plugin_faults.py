# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a plugin, found without importing it: requirements, files, code as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.diagnosis.mend import Mend, pip_mend, shown
from zoo.errors import DownloadError, IncompatibleError, ManifestError, PluginError

if TYPE_CHECKING:
    from zoo.catalog import Found, PluginRecord
    from zoo.checking.finding import Finding
    from zoo.checking.subject import Subject

__all__ = [
    "code_faults",
    "file_faults",
    "mend_of_hint",
    "module_faults",
    "static_faults",
    "targets_of",
    "unmet_requirement",
    "with_place",
]

_PACKAGE = "package:"
# Of the rules of `zoo plugin check`, those that say that a plugin cannot work: its code is Python,
# and its targets are there and what their rows say. The others are its author's affair.
_PARSES = "ZP110"
_RULES = frozenset({_PARSES, "ZP112", "ZP113"})
_PIP_LINE = re.compile(r'pip install ((?:"[^"]+" ?)+)')


def with_place(error: PluginError) -> str:
    """Return the message of an error, with its place.

    Args:
        error: The error of a plugin.
    """
    return f"{error.message} ({error.where})" if error.where else error.message


def static_faults(record: PluginRecord) -> tuple[str, list[str]]:
    """Return the state of a plugin and why, by metadata and text alone; no file is hashed.

    Args:
        record: A plugin whose manifest can be read.
    """
    faults = [*file_faults(record, reads=False), *module_faults(record)]
    faults += code_faults(record, whole=False)
    lines = [f"{reason}\nHINT: {hint}" for reason, hint in faults]
    unmet = unmet_requirement(record)
    if unmet is not None:
        lines.append(str(unmet))
    is_missing = unmet is not None and unmet.found is None and not faults
    return "missing" if is_missing else "broken" if lines else "ok", lines


def mend_of_hint(hint: str | None) -> Mend | None:
    """Return the hint of an error as a mend; a line of pip is one for this interpreter.

    A hint may come from a plugin. ``--fix`` may run it only if every word of it asks pip for a
    distribution by its name: an option, an address or a path would bring code from anywhere.

    Args:
        hint: The hint, or None.
    """
    if not hint:
        return None
    found = _PIP_LINE.match(hint)
    wanted = re.findall(r'"([^"]+)"', found[1]) if found else []
    if not wanted:
        return shown(hint)
    return pip_mend(["install", *wanted], may_run=all(map(_is_by_name, wanted)))


def _is_by_name(word: str) -> bool:
    """Return whether pip looks for a word by its name, in the user's own indexes."""
    from zoo.checking.source.requirements import read_requirement_or_none

    found = read_requirement_or_none(word)
    return found is not None and found.url is None


def unmet_requirement(record: PluginRecord) -> IncompatibleError | None:
    """Return which distributions a plugin requires that are not installed, by metadata alone.

    Args:
        record: A plugin whose manifest can be read.
    """
    from zoo.manifest.requirements import check_requirements

    manifest = record.checked()
    try:
        check_requirements(manifest.requires, plugin=record.name, manifest=manifest.path)
    except IncompatibleError as error:
        return error
    return None


def code_faults(record: PluginRecord, *, whole: bool = True) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a plugin's code and targets as text, and what to do.

    Args:
        record: A plugin whose manifest can be read.
        whole: Whether to parse all its files, or only those that its manifest names.
    """
    from zoo.checking.subject import Subject, read_subject

    if not whole:
        yield from _syntax_faults(record)
    wanted = _RULES if whole else _RULES - {_PARSES}
    manifest = record.checked()
    faults = _rule_faults(Subject(manifest.folder, None, manifest), wanted)
    if faults:  # with the lines of the manifest, which is read again for them
        faults = _rule_faults(read_subject(manifest.folder), wanted)
    for each in faults:
        row = f"{each.row}: " if each.row and not each.where.startswith(each.row) else ""
        yield f"{row}{each.message} ({each.where})", each.mend


def _rule_faults(subject: Subject, wanted: frozenset[str]) -> list[Finding]:
    """Return the errors that some of the static rules find."""
    from zoo.checking.guarding import cases_of, check_case
    from zoo.checking.static.targets import RULES

    faults: list[Finding] = []
    for rule in (rule for rule in RULES if rule.id in wanted):
        for case in cases_of(rule, subject, faults):
            faults += check_case(rule, subject, case)
    return [fault for fault in faults if fault.level == "error"]


def _syntax_faults(record: PluginRecord) -> Iterator[tuple[str, str]]:
    from zoo.checking.source.python import find_module, read_python

    folder = record.checked().folder
    for module in targets_of(record):
        path = find_module(folder, module)
        file = None if path is None else read_python(path)
        if file is not None and file.fault is not None:
            reason = f"the file is not Python: {file.fault}. ({file.path}:{file.line})"
            yield reason, "correct that line."


def file_faults(record: PluginRecord, *, reads: bool = True) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the files that a package ships, and how to get them.

    Args:
        record: A plugin whose manifest can be read.
        reads: Whether to read and hash the files, beside looking whether they are there.
    """
    from zoo.catalog import Found
    from zoo.manifest.rows import WeightsRow
    from zoo.weights.legacy import read_index

    for row in record.checked().configs:
        path = record.file(row.file)
        if not path.is_file():
            yield f"the file of config {row.name!r} is missing: {path}", _get(path)
    for index in record.checked().legacy_indexes if reads else ():
        try:
            read_index(record, index.file)
        except PluginError as error:
            yield with_place(error), error.hint or ""
    for found in (Found(record, each) for each in record.checked().weights):
        if isinstance(found.row, WeightsRow):  # a living row ships no file
            yield from _weights_faults(found, reads=reads)


def _weights_faults(found: Found, *, reads: bool) -> Iterator[tuple[str, str]]:
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
        if not reads:
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


def module_faults(record: PluginRecord) -> Iterator[tuple[str, str]]:
    """Yield the modules that a manifest names and the package lacks, and how to get them.

    Args:
        record: A plugin whose manifest can be read.
    """
    from zoo.checking.source.python import has_module

    folder = record.checked().folder
    for module, (label, _) in targets_of(record).items():
        if not has_module(folder, module):
            path = folder.joinpath(*module.split(".")[1:]).with_suffix(".py")
            yield f"the module of {label} is missing: expected {path}", _get(path)


def targets_of(record: PluginRecord) -> dict[str, tuple[str, str]]:
    """Return module -> what needs it, and one target in it.

    Args:
        record: A plugin whose manifest can be read.
    """
    found: dict[str, tuple[str, str]] = {}
    for row in record.checked().contributions:
        named = [(row.kind, row.target)]
        named += [(what, getattr(row, what, None) or "") for what in ("prepare", "sample", "init")]
        for what, target in named:
            if target:
                label = f"{what} {row.name!r}" if what == row.kind else f"{what} of {row.name!r}"
                found.setdefault(target.partition(":")[0], (label, target))
    return found
