# SPDX-License-Identifier: Apache-2.0
"""Convert manifest tables to frozen rows, with one function per kind of row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from zoo.manifest.kinds import COMMAND_GROUPS
from zoo.manifest.parameters import Form, FormError, parse_forms
from zoo.manifest.rows import (
    BaseRow,
    CheckRow,
    CommandRow,
    ConfigRow,
    Contribution,
    ConverterRow,
    DatasetRow,
    ExchangeRow,
    ExporterRow,
    InitializerRow,
    LegacyIndexRow,
    MetricRow,
    Option,
    PlannerRow,
)
from zoo.manifest.table import Table, check_file, read_path
from zoo.names import COMMAND_NAME, hint_near, near_names
from zoo.texts import shown

__all__ = [
    "DIRECTIONS",
    "FILE_NAME",
    "MOST_VALUES",
    "SUFFIX",
    "UNITS",
    "VALUE_NAME",
    "read_base_row",
    "read_config_row",
    "read_contribution",
    "read_legacy_index",
    "read_shelf_path",
]

TASKS = ("semantic", "instance")
# Kinds that a published model may consist of.
IN_RECORDS = ("model", "loss", "transform", "task_util")
LABELS = ("true", "derived")
# What a base of configs is about.
PARTS = ("model", "data", "schedule", "runtime")
CHECKED = ("doctor", "data")
UNITS = ("fraction", "percent", "count", "px", "px²", "mm", "mm²", "m", "m²", "s")
DIRECTIONS = ("higher", "lower", "zero", "none")
VALUE_NAME = r"[A-Za-z0-9_*][A-Za-z0-9_.@/*:+-]{0,99}"
"""Name of a value of a metric, with ``*`` for any text."""
MOST_VALUES = 100
FROM_DATA = "from data"
FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""Names of configs and weights."""
SUFFIX = r"\.[a-z0-9]{1,20}"

_SHARES = r"(?:(?:0(?:\.\d+)?|1(?:\.0+)?)(?:,(?!$)|$)){3}"
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_TARGET = rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}"
_UPSTREAM = rf"(mmengine|mmseg|mmdet)\.{_IDENTIFIER}"
_OPTION_NAME = r"[a-z][a-z0-9-]*"
_OPTION_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "path": (str,),
    "choice": (str,),
    "exchange": (str,),
}
_PLAIN_TYPES = tuple(name for name in _OPTION_TYPES if name != "exchange")
# Built-in options of `zoo data prepare` and the prepare target.
RESERVED_OPTIONS = (
    *("source", "out", "shares", "progress", "task", "init", "json", "as_json", "help", "debug"),
)


def read_contribution(kind: str, table: Table) -> Contribution:
    """Read a ``[[<kind>]]`` row of ``zoo.manifest.kinds``; raises ManifestError.

    Args:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        table: The row's table.
    """
    if kind == "command":
        wanted = "lower case letters, digits and single '-' between them"
        name = table.text("name", pattern=COMMAND_NAME, wanted=wanted)
    else:
        name = table.text("name", pattern=_IDENTIFIER, wanted="a Python name, without dots")
    common: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "target": _read_target(table, "target", required=True),
        "summary": table.optional_text("summary"),
    }
    if kind in IN_RECORDS:
        common["record"] = _read_record(table)
        wanted = "a type of OpenMMLab's, as 'mmseg.FCNHead'"
        like = table.optional_text("record_like", pattern=_UPSTREAM, wanted=wanted)
        common["record_like"] = like
    row_type, read = _OWN_KEYS.get(kind, (Contribution, None))
    row = row_type(**common, **({} if read is None else read(table)))
    table.done()
    return row


def _read_metric(table: Table) -> dict[str, Any]:
    direction = _read_by_value(table, "direction", DIRECTIONS)
    return {"direction": direction, "unit": _read_by_value(table, "unit", UNITS)}


def _read_by_value(table: Table, key: str, choices: tuple[str, ...]) -> Mapping[str, str]:
    """Return a choice by the name of a metric's value; a choice alone is that of every value."""
    if not isinstance(table.values.get(key), dict):
        one = table.optional_choice(key, choices)
        return MappingProxyType({} if one is None else {"*": one})
    values = table.take(key, dict)
    if not values or len(values) > MOST_VALUES:
        table.fail(
            f"{table.label} {key} holds {len(values):,} values, expected 1 to {MOST_VALUES}.",
            hint=f'write {key} = {{ "name_*" = "{choices[0]}" }}, or the text for all values.',
        )
    for name, one in values.items():
        if re.fullmatch(VALUE_NAME, name) is None or one not in choices:
            table.fail(
                f"{table.label} {key} holds {shown(name)} = {shown(one)}, expected the name of a "
                f"value and one of {', '.join(choices)}.",
                hint=hint_near(near_names(str(one), choices), "a '*' stands for any text."),
            )
    return MappingProxyType(dict(values))


def _read_check(table: Table) -> dict[str, Any]:
    of, dataset = table.choice("of", CHECKED), table.optional_text("dataset")
    if dataset is not None and of != "data":
        table.fail(
            f"{table.label} names the dataset {shown(dataset)} but is of {of!r}, "
            "expected of 'data'.",
            hint='write of = "data", or remove dataset.',
        )
    return {"of": of, "dataset": dataset}


def _read_exporter(table: Table) -> dict[str, Any]:
    pattern, wanted = rf"({SUFFIX}){{1,2}}", "lower case letters after a '.'"
    suffix = table.text("suffix", pattern=pattern, wanted=wanted)
    return {"suffix": suffix, "runner": _read_target(table, "runner", required=False)}


def _read_exchange(table: Table) -> dict[str, Any]:
    suffixes = table.texts("suffixes")
    for suffix in suffixes:
        one = Table({"suffixes": suffix}, label=table.label, path=table.path, plugin=table.plugin)
        one.text("suffixes", pattern=SUFFIX, wanted="lower case letters after a '.'")
    reads, writes = (_read_flag(table, key) for key in ("reads", "writes"))
    if not (reads or writes):
        table.fail(
            f"{table.label} neither reads nor writes, expected one or both.",
            hint="write reads = true, writes = true, or both.",
        )
    options = _read_options(table, types=_PLAIN_TYPES, reserved=())
    if options and not writes:
        table.fail(
            f"{table.label} has options but writes nothing, expected writes = true.",
            hint=f"add writes = true to {table.label}, or remove its options.",
        )
    return {"suffixes": suffixes, "reads": reads, "writes": writes, "options": options}


def _read_flag(table: Table, key: str) -> bool:
    return bool(table.take(key, bool, required=False))


def _read_record(table: Table) -> Mapping[str, Form] | None:
    """Return the parameters that a published record may set, or None if not stated."""
    values = table.take("record", dict, required=False)
    if values is None:
        return None
    try:
        return parse_forms(values, f"{table.label} record")
    except FormError as error:
        table.fail(f"{error}.", hint="docs/manifest.md shows the forms of parameters.")


def read_config_row(table: Table) -> ConfigRow:
    """Read a ``[[config]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = ConfigRow(
        name=table.text("name", pattern=FILE_NAME, wanted="letters, digits, '_', '-' and '.'"),
        file=read_path(table, table.text("file"), "file"),
        summary=table.optional_text("summary"),
    )
    table.done()
    check_file(table, row.file, "file")
    return row


def read_base_row(table: Table) -> BaseRow:
    """Read a ``[[base]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = BaseRow(
        name=table.text("name", pattern=FILE_NAME, wanted="letters, digits, '_', '-' and '.'"),
        file=read_path(table, table.text("file"), "file"),
        part=table.choice("part", PARTS),
        task=table.optional_choice("task", TASKS),
        summary=table.optional_text("summary"),
    )
    table.done()
    check_file(table, row.file, "file")
    return row


def read_legacy_index(table: Table) -> LegacyIndexRow:
    """Read a ``[[legacy_index]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    row = LegacyIndexRow(
        file=read_path(table, table.text("file"), "file"), summary=table.optional_text("summary")
    )
    table.done()
    check_file(table, row.file, "file")
    return row


def read_shelf_path(table: Table) -> str:
    """Return the file of a ``[[shelf]]`` row; raises ManifestError.

    Args:
        table: The row's table.
    """
    file = read_path(table, table.text("file"), "file")
    table.optional_text("summary")
    table.done()
    check_file(table, file, "file")
    return file


def _read_dataset(table: Table) -> dict[str, Any]:
    values: dict[str, Any] = {
        "task": table.choice("task", TASKS),
        "classes": _read_classes(table),
        "labels": table.choice("labels", LABELS, default="true"),
        "licence": table.text("licence"),
    }
    wanted = "three numbers in 0..1, as '0.9,0.1,0'"
    values["shares"] = table.optional_text("shares", pattern=_SHARES, wanted=wanted)
    for key in ("prepare", "init", "sample"):
        values[key] = _read_target(table, key, required=False)
    values["options"] = _read_options(table, types=tuple(_OPTION_TYPES), reserved=RESERVED_OPTIONS)
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


def _read_target(table: Table, key: str, *, required: bool) -> str | None:
    read = table.text if required else table.optional_text
    target = read(key, pattern=_TARGET, wanted=f"'zoo_{table.plugin}.module:Name'")
    if target is None:
        return None
    package = target.partition(":")[0].partition(".")[0]
    if package != f"zoo_{table.plugin}":
        table.fail(
            f"{table.label} {key} is {shown(target)}, expected a target inside the plugin's own "
            f"package, zoo_{table.plugin}.",
            hint=f"move it to the package zoo_{table.plugin}, or import it there.",
        )
    return target


def _read_options(
    table: Table, *, types: tuple[str, ...], reserved: tuple[str, ...]
) -> tuple[Option, ...]:
    rows = table.tables("option", f"{table.label} option")
    options = tuple(_read_option(row, types, reserved) for row in rows)
    names = [option.name for option in options]
    table.check_once(names, f"{table.label} has the option {{}} twice")
    return options


def _read_option(table: Table, types: tuple[str, ...], reserved: tuple[str, ...]) -> Option:
    name = table.text("name", pattern=_OPTION_NAME, wanted="lower case letters, digits and '-'")
    if name in reserved:
        table.fail(
            f"{table.label} uses a name that zoo data prepare reserves.",
            hint=f"rename the option; reserved are {', '.join(reserved)}.",
        )
    kind = table.choice("type", types)
    choices = table.texts("choices", required=kind == "choice")
    if choices and kind != "choice":
        table.fail(
            f"{table.label} has choices but is of type {kind!r}, expected type 'choice'.",
            hint='write type = "choice", or remove choices.',
        )
    multiple = _read_flag(table, "multiple")
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
    """Refuse a word that cannot be typed on a command line."""
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


# Kind -> its row, and what reads the keys that only such rows have.
_OWN_KEYS: dict[str, tuple[type[Contribution], Callable[[Table], dict[str, Any]]]] = {
    "dataset": (DatasetRow, _read_dataset),
    "weight_initializer": (
        InitializerRow,
        lambda table: {"pretrained": _read_flag(table, "pretrained")},
    ),
    "command": (
        CommandRow,
        lambda table: {"group": table.optional_choice("group", COMMAND_GROUPS)},
    ),
    "metric": (MetricRow, _read_metric),
    "evaluator": (MetricRow, _read_metric),
    "check": (CheckRow, _read_check),
    "planner": (PlannerRow, lambda table: {"task": table.choice("task", TASKS)}),
    "exporter": (ExporterRow, _read_exporter),
    "exchange": (ExchangeRow, _read_exchange),
    "converter": (
        ConverterRow,
        lambda table: {
            "version": table.count("version"),
            "proof": table.optional_text("proof"),
        },
    ),
}
