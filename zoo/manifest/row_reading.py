# SPDX-License-Identifier: Apache-2.0
"""One function a kind of row: a ``Table`` of the manifest -> a frozen row."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

from zoo.manifest.parameters import Form, FormError, parse_forms
from zoo.manifest.rows import (
    ConfigRow,
    Contribution,
    DatasetRow,
    InitializerRow,
    LegacyIndexRow,
    MetricValue,
    Option,
    WeightsRow,
)
from zoo.manifest.table import Table
from zoo.texts import shown

__all__ = ["read_config_row", "read_contribution", "read_legacy_index", "read_weights"]

TASKS = ("semantic", "instance")
# Kinds of which a published model may be made.
IN_RECORDS = ("model", "loss", "transform", "task_util")
FORMATS = ("safetensors", "pth")
LABELS = ("true", "derived")
MEASURED_LABELS = (*LABELS, "synthetic")  # of pictures that a plugin drew, and their labels
FROM_DATA = "from data"

_SHARES = r"(?:(?:0(?:\.\d+)?|1(?:\.0+)?)(?:,(?!$)|$)){3}"
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_UPSTREAM = rf"(mmengine|mmseg|mmdet)\.{_IDENTIFIER}"
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_OPTION_NAME = r"[a-z][a-z0-9-]*"
_OPTION_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "path": (str,),
    "choice": (str,),
}
# What `zoo data prepare` and the prepare target have by themselves.
_RESERVED_OPTIONS = (
    *("source", "out", "shares", "progress", "task", "init", "json", "as_json", "help", "debug"),
)


def read_contribution(kind: str, table: Table) -> Contribution:
    """Return a row of one of the kinds of ``zoo.manifest.kinds``; raises ManifestError.

    Args:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        table: The row's table.
    """
    name = table.text("name", pattern=_IDENTIFIER, wanted="a Python name, without dots")
    common: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "target": _read_target(table, "target"),
        "summary": table.optional_text("summary"),
    }
    if kind in IN_RECORDS:
        common["record"] = _read_record(table)
        if "record_like" in table.values:
            wanted = "a type of OpenMMLab's, as 'mmseg.FCNHead'"
            common["record_like"] = table.text("record_like", pattern=_UPSTREAM, wanted=wanted)
    if kind == "dataset":
        row: Contribution = DatasetRow(**common, **_read_dataset(table))
    elif kind == "weight_initializer":
        pretrained = bool(table.take("pretrained", bool, required=False))
        row = InitializerRow(**common, pretrained=pretrained)
    else:
        row = Contribution(**common)
    table.done()
    return row


def _read_record(table: Table) -> Mapping[str, Form] | None:
    """Return what a published model's record may give the type, or None where it is not said."""
    values = table.take("record", dict, required=False)
    if values is None:
        return None
    try:
        return parse_forms(values, f"{table.label} record")
    except FormError as error:
        table.fail(f"{error}.", hint="docs/manifest.md shows the forms of parameters.")


def read_config_row(table: Table) -> ConfigRow:
    """Return a ``[[config]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = ConfigRow(
        name=table.text("name", pattern=_FILE_NAME, wanted="letters, digits, '_', '-' and '.'"),
        file=_read_path(table, table.text("file"), "file"),
        summary=table.optional_text("summary"),
    )
    table.done()
    _check_file(table, row.file, "file")
    return row


def read_legacy_index(table: Table) -> LegacyIndexRow:
    """Return a ``[[legacy_index]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = LegacyIndexRow(
        file=_read_path(table, table.text("file"), "file"), summary=table.optional_text("summary")
    )
    table.done()
    _check_file(table, row.file, "file")
    return row


def read_weights(table: Table) -> WeightsRow:
    """Return a ``[[weights]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = WeightsRow(
        name=table.text("name", pattern=_FILE_NAME, wanted="letters, digits, '_', '-' and '.'"),
        task=table.choice("task", TASKS),
        config=table.text("config"),
        urls=tuple(_read_url(table, url) for url in table.texts("urls")),
        sha256=table.text("sha256", pattern=r"[0-9a-f]{64}", wanted="64 hex digits, lower case"),
        size_bytes=table.count("size_bytes"),
        format=table.choice("format", FORMATS),
        licence=table.text("licence"),
        data_licence=table.text("data_licence"),
        parameters=table.count("parameters"),
        metrics=_read_metrics(table),
    )
    table.done()
    return row


def _read_dataset(table: Table) -> dict[str, Any]:
    values: dict[str, Any] = {
        "task": table.choice("task", TASKS),
        "classes": _read_classes(table),
        "labels": table.choice("labels", LABELS, default="true"),
        "licence": table.text("licence"),
    }
    if "shares" in table.values:
        wanted = "three numbers in 0..1, as '0.9,0.1,0'"
        values["shares"] = table.text("shares", pattern=_SHARES, wanted=wanted)
    for key in ("prepare", "init", "sample"):
        values[key] = _read_target(table, key) if key in table.values else table.optional_text(key)
    values["options"] = _read_options(table)
    if values["options"] and values["prepare"] is None:
        table.fail(
            f"{table.label} has options but no prepare target to receive them.",
            hint=f"add prepare = ... to {table.label}, or remove its options.",
        )
    return values


def _read_classes(table: Table) -> tuple[str, ...] | str:
    if table.values.get("classes") == FROM_DATA:
        table.take("classes", str)
        return FROM_DATA
    if isinstance(table.values.get("classes"), str):
        table.fail(
            f"{table.label} classes is {shown(table.values['classes'])}, "
            f"expected a list of names or {FROM_DATA!r}.",
            hint=f'write classes = ["background", ...] or classes = "{FROM_DATA}".',
        )
    return table.texts("classes")


def _read_target(table: Table, key: str) -> str:
    wanted = f"'zoo_{table.plugin}.module:Name'"
    target = table.text(
        key, pattern=rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}", wanted=wanted
    )
    package = target.partition(":")[0].partition(".")[0]
    if package != f"zoo_{table.plugin}":
        table.fail(
            f"{table.label} {key} is {shown(target)}, expected a target inside the plugin's own "
            f"package, zoo_{table.plugin}.",
            hint=f"move it to the package zoo_{table.plugin}, or import it there.",
        )
    return target


def _read_path(table: Table, text: str, key: str) -> str:
    """Return a path inside the package, with '/'; the texts are plain, so no resolving is done."""
    parts = text.split("/")
    if "\\" in text or ":" in text or any(part in ("", ".", "..") for part in parts):
        table.fail(
            f"{table.label} {key} is {shown(text)}, expected a path inside the package, with '/'.",
            hint="write it relative to the manifest's folder, such as 'configs/unet.py'.",
        )
    return text


def _check_file(table: Table, file: str, key: str) -> None:
    if not os.path.isfile(table.path.parent / file):  # False too for what can be no file's name
        table.fail(
            f"{table.label} {key} is {shown(file)}, but there is no such file.",
            hint=f"add {file} to the package and to its package data, or correct {key}.",
        )


def _read_url(table: Table, url: str) -> str:
    scheme, _, rest = url.partition(":")
    if scheme == "package":
        _read_path(table, rest, "urls")
    elif re.fullmatch(r"https://[^\s/]+/\S+", url) is None:
        table.fail(
            f"{table.label} urls holds {shown(url)}, expected https://... or package:<path>.",
            hint="use an https address, or a file inside the package.",
        )
    return url


def _read_metrics(table: Table) -> tuple[MetricValue, ...]:
    rows = table.tables("metrics", f"{table.label} metrics")
    if not rows:
        table.fail(
            f"{table.label} has no metrics, expected at least one with its data set and split.",
            hint="add metrics = [{ name = ..., value = ..., ... }] from a real evaluation.",
        )
    metrics = []
    for row in rows:
        value = float(row.take("value", (int, float)))
        if not math.isfinite(value):
            row.fail(
                f"{row.label} value is {value!r}, expected a finite number.",
                hint="write the measured value.",
            )
        metrics.append(
            MetricValue(
                name=row.text("name"),
                value=value,
                dataset=row.text("dataset"),
                split=row.text("split"),
                labels=row.choice("labels", MEASURED_LABELS),
                protocol=row.text("protocol"),
            )
        )
        row.done()
    return tuple(metrics)


def _read_options(table: Table) -> tuple[Option, ...]:
    rows = table.tables("option", f"{table.label} option")
    options = tuple(_read_option(row) for row in rows)
    names = [option.name for option in options]
    table.check_once(names, f"{table.label} has the option {{}} twice")
    return options


def _read_option(table: Table) -> Option:
    name = table.text("name", pattern=_OPTION_NAME, wanted="lower case letters, digits and '-'")
    if name in _RESERVED_OPTIONS:
        table.fail(
            f"{table.label} uses a name that zoo data prepare reserves.",
            hint=f"rename the option; reserved are {', '.join(_RESERVED_OPTIONS)}.",
        )
    kind = table.choice("type", tuple(_OPTION_TYPES))
    choices = table.texts("choices", required=kind == "choice")
    if choices and kind != "choice":
        table.fail(
            f"{table.label} has choices but is of type {kind!r}, expected type 'choice'.",
            hint='write type = "choice", or remove choices.',
        )
    multiple = bool(table.take("multiple", bool, required=False))
    option = Option(
        name=name,
        type=kind,
        default=_read_default(table, kind, choices, multiple=multiple),
        help=table.text("help"),
        choices=choices,
        multiple=multiple,
    )
    table.done()
    for word in (*choices, *(option.default if isinstance(option.default, tuple) else ())):
        _check_word(table, word)
    _check_word(table, option.default)
    return option


def _check_word(table: Table, word: Any) -> None:
    """Refuse what nobody can type on a command line."""
    if isinstance(word, str) and not word.isprintable():
        table.fail(
            f"{table.label} has the value {shown(word)}, expected printable text.",
            hint="write the value without control characters and line breaks.",
        )


def _read_default(table: Table, kind: str, choices: tuple[str, ...], *, multiple: bool) -> Any:
    types = _OPTION_TYPES[kind]
    if multiple:
        values = table.take("default", list, required=False)
        if values is None:
            return ()
    else:
        value = table.take("default", types, required=False)
        if value is None:
            return None
        values = [value]
    for value in values:
        one = Table({"default": value}, label=table.label, path=table.path, plugin=table.plugin)
        one.take("default", types)
        if choices and value not in choices:
            one.choice("default", choices)
    typed = [float(value) if kind == "float" else value for value in values]
    return tuple(typed) if multiple else typed[0]
