# SPDX-License-Identifier: Apache-2.0
"""Ask the reader of manifests which keys it takes, and its rows what they mean.

The reader is the only place that knows the keys. It is run on tables that answer every question:
each notes the key, type and limits that were asked for, and invents a value where it has none.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from zoo.errors import ManifestError
from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import read_plugin, read_requires
from zoo.manifest.row_reading import (
    read_base_row,
    read_config_row,
    read_contribution,
    read_legacy_index,
    read_shelf_path,
)
from zoo.manifest.rows import (
    BaseRow,
    CheckRow,
    CommandRow,
    ConfigRow,
    Contribution,
    ConverterRow,
    DatasetRow,
    Digest,
    ExchangeRow,
    ExporterRow,
    InitializerRow,
    LegacyIndexRow,
    LivingRow,
    Manifest,
    MetricRow,
    MetricValue,
    Option,
    PlannerRow,
    WeightsFacts,
    WeightsRow,
)
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_weights

__all__ = ["SECTIONS", "Key", "keys_of", "meaning_of"]

SHA256 = "0" * 64
# Texts that fit the patterns of the reader, tried in turn.
_INVENTED = (
    "Name",
    "name",
    "0.1.0",
    "zoo_x.module:Name",
    "mmseg.FCNHead",
    "1,0,0",
    ".onnx",
    SHA256,
)
_VALUES: dict[type, object] = {str: "x", list: ["x"], dict: {}, bool: True}


@dataclass(frozen=True, slots=True)
class Key:
    """What the reader asks of one key of a table.

    Attributes:
        name: The key.
        sort: ``text``, ``choice``, ``texts``, ``count``, ``rows``, or the name of a type.
        is_required: Whether it is required whatever else the table says.
        pattern: Regular expression of a text, or None for any.
        wanted: What the pattern means.
        choices: Allowed values of a choice.
        default: Value of a row without the key, as TOML; None if it has none.
    """

    name: str
    sort: str
    is_required: bool
    pattern: str | None = None
    wanted: str | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None


class AskedTable(Table):
    """A table that notes what it is asked for."""

    def __init__(
        self,
        values: dict[str, Any],
        *,
        label: str = "",
        path: Path = Path("zoo_x/zoo_plugin.toml"),
        plugin: str = "x",
    ) -> None:
        super().__init__(values, label=label, path=path, plugin=plugin)
        self.asked: dict[str, Key] = {}
        self.inner: dict[str, list[AskedTable]] = {}

    def _note(self, key: str, sort: str, *, required: bool = False, **limits: Any) -> None:
        # A method of Table calls another: the first question is the reader's own.
        self.asked.setdefault(key, Key(key, sort, required, **limits))

    def take(self, key: str, types: type | tuple[type, ...], *, required: bool = True) -> Any:
        """Note a type."""
        first = types if isinstance(types, type) else types[-1]
        self._note(key, first.__name__, required=required)
        if required:
            self.values.setdefault(key, _VALUES.get(first, 1))
        return super().take(key, types, required=required)

    def text(self, key: str, *, pattern: str | None = None, wanted: str | None = None) -> str:
        """Note a text."""
        self._note(key, "text", required=True, pattern=pattern, wanted=wanted)
        if key not in self.values:
            fits = (each for each in _INVENTED if re.fullmatch(pattern or ".*", each))
            self.values[key] = next(fits)
        return super().text(key, pattern=pattern, wanted=wanted)

    def optional_text(
        self, key: str, *, pattern: str | None = None, wanted: str | None = None
    ) -> str | None:
        """Note a text that may be missing."""
        self._note(key, "text", pattern=pattern, wanted=wanted)
        return super().optional_text(key, pattern=pattern, wanted=wanted)

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """Note a choice."""
        self._note(key, "choice", required=default is None, choices=tuple(choices))
        self.values.setdefault(key, default or choices[0])
        return super().choice(key, choices, default=default)

    def optional_choice(self, key: str, choices: Sequence[str]) -> str | None:
        """Note a choice that may be missing."""
        self._note(key, "choice", choices=tuple(choices))
        return super().optional_choice(key, choices)

    def texts(self, key: str, *, required: bool = True) -> tuple[str, ...]:
        """Note a list of texts."""
        self._note(key, "texts", required=required)
        if key == "urls":
            self.values.setdefault(key, ["https://example.org/file"])
        if key == "suffixes":
            self.values.setdefault(key, [".onnx"])
        return super().texts(key, required=required)

    def count(self, key: str) -> int:
        """Note an integer above 0."""
        self._note(key, "count", required=True)
        return super().count(key)

    def optional_count(self, key: str) -> int | None:
        """Note an integer above 0 that may be missing."""
        self._note(key, "count")
        return super().optional_count(key)

    def table(self, key: str, *, required: bool = True) -> Table:
        """Note a table, and keep it to see what is asked of it."""
        self._note(key, "table", required=required)
        found = super().table(key, required=required)
        if isinstance(found, AskedTable):
            self.inner[key] = [found]
        return found

    def tables(self, key: str, label: str | None = None) -> list[Table]:
        """Note rows, and ask for one."""
        self._note(key, "rows")
        self.values.setdefault(key, [{}])
        found = super().tables(key, label)
        self.inner[key] = [each for each in found if isinstance(each, AskedTable)]
        return found


# Section -> its reader, tables that make it ask for every key, and the rows that it becomes.
_OPTIONS = [
    {"name": "a", "type": "choice", "choices": ["x"]},
    {"name": "b", "type": "int"},
]
_SPECIAL: dict[str, tuple[list[dict[str, Any]], tuple[type, ...]]] = {
    "dataset": ([{"prepare": "zoo_x.y:z", "option": _OPTIONS}], (DatasetRow,)),
    "weight_initializer": ([{}], (InitializerRow,)),
    "converter": ([{}], (ConverterRow,)),
    "command": ([{}], (CommandRow,)),
    "metric": ([{}], (MetricRow,)),
    "evaluator": ([{}], (MetricRow,)),
    "planner": ([{}], (PlannerRow,)),
    "exporter": ([{}], (ExporterRow,)),
    "exchange": ([{"reads": True, "writes": True, "option": _OPTIONS}], (ExchangeRow,)),
    "check": ([{"of": "data"}], (CheckRow,)),
}
_READERS: dict[str, tuple[Any, list[dict[str, Any]], tuple[type, ...]]] = {
    "plugin": (read_plugin, [{}], (Manifest,)),
    "requires": (read_requires, [{}], (Manifest,)),
    **{
        kind: (partial(read_contribution, kind), *_SPECIAL.get(kind, ([{}], (Contribution,))))
        for kind in KINDS
    },
    "config": (read_config_row, [{}], (ConfigRow,)),
    "base": (read_base_row, [{}], (BaseRow,)),
    "weights": (
        read_weights,
        [
            {"sha256": SHA256},
            {"converter": "x", "sha256": SHA256},
            {"task": "backbone", "sha256": SHA256},
        ],
        (WeightsRow, LivingRow, WeightsFacts, Digest),
    ),
    "shelf": (read_shelf_path, [{}], (LegacyIndexRow,)),
    "legacy_index": (read_legacy_index, [{}], (LegacyIndexRow,)),
}
_INNER: dict[str, tuple[type, ...]] = {
    "dataset.option": (Option,),
    "exchange.option": (Option,),
    "weights.metrics": (MetricValue,),
}
SECTIONS = (*_READERS, *_INNER)
"""Tables of a manifest; with a dot, tables in a row of another."""

# Keys that have another name as attributes.
_RENAMED = {
    ("plugin", "name"): "plugin",
    ("requires", "distributions"): "requires",
    ("dataset", "option"): "options",
    ("exchange", "option"): "options",
}
_OWN_WORDS = {
    ("weights", "sha256_prefix"): "The first 8 or more digits of the sha256, if no more is known.",
    ("weights", "md5_prefix"): "The first 6 or more digits of its md5, if no more is known.",
    ("shelf", "file"): "A JSON file with rows of weights.",
    ("exchange.option", "name"): (
        "What `--format-option NAME=VALUE` says; the class receives it with underscores."
    ),
    ("exchange.option", "type"): "Type of the value.",
    ("exchange.option", "help"): "One line, for messages and listings.",
}


def keys_of(section: str) -> tuple[Key, ...]:
    """Return the keys of a table of the manifest, in the order in which the reader asks.

    Args:
        section: One of `SECTIONS`.
    """
    outer, _, inner = section.partition(".")
    read, seeds, _rows = _READERS[outer]
    tables = [AskedTable(dict(seed)) for seed in seeds]
    for table in tables:
        try:
            read(table)
        except ManifestError as error:
            # The last thing that is asked of a row is whether its file exists.
            if "no such file" not in error.message:
                raise
    inner = inner or ("requires" if outer == "requires" else "")
    if inner:
        tables = [row for table in tables for row in table.inner[inner]]
    names = dict.fromkeys(name for table in tables for name in table.asked)
    return tuple(_merged(section, name, tables) for name in names)


def _merged(section: str, name: str, tables: list[AskedTable]) -> Key:
    found = [table.asked[name] for table in tables if name in table.asked]
    always = len(found) == len(tables) and all(key.is_required for key in found)
    default = None if always else _default(section, name)
    return replace(found[0], is_required=always, default=default)


def _default(section: str, name: str) -> str | None:
    """Return what a row has without a key, as TOML; None if nothing."""
    for row in rows_of(section):
        for field in fields(row):
            if field.name == name and isinstance(field.default, (bool, int, str)):
                return json.dumps(field.default)
    return None


def rows_of(section: str) -> tuple[type, ...]:
    """Return the dataclasses that a table of the manifest becomes.

    Args:
        section: One of `SECTIONS`.
    """
    return _INNER[section] if section in _INNER else _READERS[section][2]


def meaning_of(section: str, key: str) -> str:
    """Return what a key says, from the docstring of its row, as Markdown.

    Args:
        section: One of `SECTIONS`.
        key: Name of the key.
    """
    if (section, key) in _OWN_WORDS:
        return _OWN_WORDS[section, key]
    name = _RENAMED.get((section, key), key)
    for row in rows_of(section):
        for each in inspect.getmro(row):
            text = _attributes(each).get(name)
            if text is not None:
                return text
    message = f"tools/manifest_keys.py: no dataclass of {section} has the attribute {name}"
    raise LookupError(message)


def _attributes(row: type) -> dict[str, str]:
    """Return the section "Attributes" of a docstring, without "or None": a key is left out."""
    _, _, tail = inspect.cleandoc(row.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in tail.splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start is not None:
            name = start[1]
            found[name] = start[2]
        elif line.startswith("        "):
            found[name] += " " + line.strip()
    return {
        key: re.sub(r"[,;] (or )?None( if [^.]*)?\.$", ".", text).replace("``", "`")
        for key, text in found.items()
    }
