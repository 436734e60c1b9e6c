# SPDX-License-Identifier: Apache-2.0
"""ZP401-ZP407: rows of weights name what exists, and numbers that can be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zoo.catalog import PluginRecord, read_catalog
from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.places import names_in, place_in_text
from zoo.checking.static.cases import row_place, static_rule
from zoo.checking.subject import Subject
from zoo.engine.config_files.files import find_config_file
from zoo.errors import ManifestError, ZooError
from zoo.files import digest_of_file
from zoo.manifest.rows import AnyWeightsRow, LegacyIndexRow, LivingRow, MetricValue, WeightsRow
from zoo.names import hint_near, near_names

__all__ = ["RULES"]

_PACKAGE = "package:"
_LARGEST = {"fraction": 1.0, "percent": 100.0}
# Metrics in other units: distances in pixels or mm, counts, errors, losses.
_UNBOUNDED = ("distance", "hd", "asd", "assd", "mae", "mse", "rmse", "loss", "count", "error", "mm")


def _weights(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.weights:
        yield f"weights {row.name}", row


def _place(subject: Subject, row: AnyWeightsRow, key: str, told: str = "") -> str:
    """Return the line of a row, in the manifest or in its shelf."""
    place = row_place(subject, row, key, told)
    if place != str(subject.manifest_path):
        return place
    for shelf in subject.survey.document.get("shelf") or ():
        file = shelf.get("file") if isinstance(shelf, dict) else None
        path = subject.package / file if isinstance(file, str) else subject.manifest_path
        if (found := place_in_text(path, f'"{row.name}"')) != str(path):
            return found
    return place


def _check_config(subject: Subject, row: AnyWeightsRow) -> Iterator[Finding]:
    if not row.config or row.config in _own(subject, "config"):
        return
    plugin, _, name = row.config.replace("/", ".").rpartition(".")
    if plugin == subject.name and name in _own(subject, "config"):
        return
    try:
        find_config_file(row.config)
    except ZooError as error:
        message = f"config is {row.config!r}: {error.message}"
        near = near_names(row.config, _own(subject, "config"))
        mend = hint_near(near, error.hint or "ship that config, and name it in [[config]].")
        package = row.config.partition("::")[0] if "::" in row.config else ""
        level = "warning" if f"no package {package!r}" in error.message else "error"
        yield Finding("ZP401", _place(subject, row, "config"), message, mend, level=level)


def _own(subject: Subject, table: str) -> list[str]:
    rows = subject.survey.document.get(table)
    names = [row.get("name") for row in rows if isinstance(row, dict)] if type(rows) is list else []
    return [name for name in names if isinstance(name, str)]


def _packaged(subject: Subject) -> Iterator[Case]:
    for label, row in _weights(subject):
        for url in row.urls:
            if url.startswith(_PACKAGE):
                yield label, (row, url.removeprefix(_PACKAGE))


def _check_file(subject: Subject, case: tuple[AnyWeightsRow, str]) -> Iterator[Finding]:
    row, file = case
    path = subject.package / file
    where = _place(subject, row, "urls")
    if os.path.isfile(path) and not os.access(path, os.R_OK):
        message = f"urls names {file}, which cannot be read."
        yield Finding("ZP402", where, message, f"make {path} readable.")
        return
    if not os.path.isfile(path):
        message = f"urls names {file}, and the package holds no such file."
        mend = f"put the file there, or correct urls ({_folder_hint(path, subject)})."
        yield Finding("ZP402", where, message, mend)
        return
    size = path.stat().st_size
    if row.size_bytes is not None and size != row.size_bytes:
        message = f"size_bytes is {row.size_bytes}, and {file} has {size} bytes."
        where = _place(subject, row, "size_bytes")
        yield Finding("ZP402", where, message, f"write size_bytes = {size}, or ship its file.")
    elif isinstance(row, WeightsRow) and (found := digest_of_file(path)) != row.sha256:
        message = f"sha256 is {row.sha256[:12]}..., and that of {file} is {found[:12]}..."
        where = _place(subject, row, "sha256")
        yield Finding("ZP402", where, message, f'write sha256 = "{found}", or ship its file.')


def _folder_hint(path: Path, subject: Subject) -> str:
    folder = path.parent
    there = ", ".join(names_in(folder)[:5]) or "nothing"
    return f"{folder.relative_to(subject.package)}/ holds {there}"


def _check_metrics(subject: Subject, row: AnyWeightsRow) -> Iterator[Finding]:
    for metric in row.metrics:
        reason = _impossible(metric)
        if reason is not None:
            message = f"the metric {metric.name} is {metric.value:g} of a {metric.unit}: {reason}."
            mend = "write the value that zoo test measures, or leave the metric out."
            yield Finding("ZP403", _place(subject, row, "value", message), message, mend)


def _impossible(metric: MetricValue) -> str | None:
    """Return why a value cannot be, or None."""
    if metric.value == -1:
        return "COCO's -1 says that there was nothing to measure"
    words = metric.name.lower().replace("-", "_").split("_")
    if any(word in _UNBOUNDED for word in words):
        return None
    largest = _LARGEST[metric.unit]
    if not 0 <= metric.value <= largest:
        return f"expected 0 to {largest:g}"
    return None


def _check_licence(subject: Subject, row: AnyWeightsRow) -> Iterator[Finding]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(row.licence)
    except InvalidLicenseExpression:
        message = f"licence is {row.licence!r}, expected an SPDX expression."
        mend = 'write one such as "Apache-2.0", or "LicenseRef-NAME" for one that SPDX lacks.'
        yield Finding("ZP404", _place(subject, row, "licence"), message, mend)


def _own_weights(subject: Subject) -> Iterator[Case]:
    """Yield the rows of weights but for those of others, whose licence may not be known."""
    return ((label, row) for label, row in _weights(subject) if isinstance(row, WeightsRow))


def _living(subject: Subject) -> Iterator[Case]:
    for label, row in _weights(subject):
        if isinstance(row, LivingRow) and row.converter is not None:
            yield label, row


def _check_converter(subject: Subject, row: LivingRow) -> Iterator[Finding]:
    name = row.converter or ""
    own = _own(subject, "converter")
    if name in own or name.removeprefix(f"{subject.name}.") in own:
        return
    try:
        read_catalog().find("converter", name)
    except ZooError as error:
        message = f"converter is {name!r}: {error.message}"
        near = near_names(name, own)
        mend = hint_near(near, error.hint or "add a [[converter]] row, or correct the name.")
        yield Finding("ZP405", _place(subject, row, "converter"), message, mend)


def _with_successor(subject: Subject) -> Iterator[Case]:
    return ((label, row) for label, row in _weights(subject) if row.successor is not None)


def _check_successor(subject: Subject, row: AnyWeightsRow) -> Iterator[Finding]:
    name = (row.successor or "").partition("@")[0]
    own = [*_own(subject, "weights"), *(each.name for _, each in _weights(subject))]
    if name.removeprefix(f"{subject.name}.") in own:
        return
    try:
        read_catalog().find_weights(name)
    except ZooError as error:
        message = f"successor is {row.successor!r}: {error.message}"
        mend = hint_near(near_names(name, own), "correct the name.")
        yield Finding("ZP406", _place(subject, row, "successor"), message, mend)


def _indexes(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.legacy_indexes:
        yield f"legacy_index {row.file}", row


def _check_index(subject: Subject, row: LegacyIndexRow) -> Iterator[Finding]:
    from zoo.weights.legacy import read_index

    path = subject.manifest_path
    record = PluginRecord(subject.name, subject.manifest, path, "ZOO_PLUGIN_PATH")
    try:
        read_index(record, row.file)
    except ManifestError as error:
        mend = error.hint or "correct what the message names."
        yield Finding("ZP407", str(subject.package / row.file), error.message, mend)


RULES = (
    static_rule(
        "ZP401",
        "weights-config-exists",
        "Each row of weights names a config that is shipped.",
        _weights,
        _check_config,
    ),
    static_rule(
        "ZP402",
        "weights-file-agrees",
        "Each file of weights in the package has the size and the sha256 of its row.",
        _packaged,
        _check_file,
    ),
    static_rule(
        "ZP403",
        "metrics-possible",
        "Each metric has a value that its unit allows; COCO's -1 is none.",
        _weights,
        _check_metrics,
    ),
    static_rule(
        "ZP404",
        "weights-licensed",
        "The licence of the plugin's own weights is an SPDX expression.",
        _own_weights,
        _check_licence,
    ),
    static_rule(
        "ZP405",
        "converter-exists",
        "Each row of living weights names a converter that exists.",
        _living,
        _check_converter,
    ),
    static_rule(
        "ZP406",
        "successor-exists",
        "Each successor is a row of weights.",
        _with_successor,
        _check_successor,
    ),
    static_rule("ZP407", "index-reads", "Each legacy index can be read.", _indexes, _check_index),
)
