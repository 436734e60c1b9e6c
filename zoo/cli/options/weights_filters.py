# SPDX-License-Identifier: Apache-2.0
"""Rows of weights for listings, and filters that select them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Catalog, Found
from zoo.errors import UnknownNameError, ZooError
from zoo.manifest.rows import ConfigRow, LegacyRow, WeightsRow
from zoo.names import hint_near, near_names

if TYPE_CHECKING:
    from zoo.weights.lock import Pin

__all__ = ["Filters", "MetricFilter", "legacy_entry", "parse_metric", "weights_entry"]

_METRIC = re.compile(
    r"\s*(?P<name>[^<>=]+?)\s*(?:(?P<sign>>=|<=)\s*(?P<value>-?(?:\d+\.?\d*|\.\d+)))?\s*"
)

# Rows of both kinds have every key; unknown values are null.
_UNKNOWN = dict.fromkeys(
    [
        *("size", "size_bytes", "file", "path", "parameters", "sha256"),
        *("memory_gb", "url", "sha256_prefix", "note"),
    ]
)


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """``NAME``, ``NAME>=VALUE`` or ``NAME<=VALUE``."""

    name: str
    sign: str | None = None
    value: float = 0.0

    def fits(self, value: float) -> bool:
        """Return whether a value is in bounds.

        Args:
            value: A measured value, in the unit of the manifest.
        """
        if self.sign is None:
            return True
        return value >= self.value if self.sign == ">=" else value <= self.value


def parse_metric(text: str) -> MetricFilter | None:
    """Parse a filter, or return None if the text is not one.

    Args:
        text: Value of ``--metric``: ``NAME``, ``NAME>=VALUE`` or ``NAME<=VALUE``.

    Example:
        >>> parse_metric("mIoU>=75")
        MetricFilter(name='mIoU', sign='>=', value=75.0)
    """
    found = _METRIC.fullmatch(text)
    if found is None:
        return None
    return MetricFilter(found["name"], found["sign"], float(found["value"] or 0))


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a user; empty or None fits all. Ignores case; ``-``, ``_`` and space are equal.

    Attributes:
        texts: Texts that must each occur in the name, plugin, task, model, data sets, classes,
            metrics or licences of the weights.
        task: One of the tasks that the model was measured at.
        plugin: The plugin that has the row.
        dataset: Part of the name of a data set that it was measured on.
        architecture: Part of the name of its architecture or its config.
        metric: A metric that was measured, optionally with a bound; the rows are then sorted,
            highest first. With ``dataset``, only values on that data set count.
    """

    texts: Sequence[str] = ()
    task: str | None = None
    plugin: str | None = None
    dataset: str | None = None
    architecture: str | None = None
    metric: MetricFilter | None = None

    def choose(self, entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the entries that fit.

        Args:
            entries: Entries of `weights_entry` or of the legacy table.

        Raises:
            UnknownNameError: No entry was measured by that metric.
        """
        rows = [entry for entry in entries if self._fits(entry)]
        if self.metric is None or not rows:
            return rows
        values = [_values(entry, self.metric.name, self.dataset) for entry in rows]
        if not any(values):
            raise _unknown_metric(self.metric.name, rows)
        kept = [
            (max(found), entry)
            for found, entry in zip(values, rows, strict=True)
            if any(map(self.metric.fits, found))
        ]
        return [entry for _, entry in sorted(kept, key=lambda pair: -pair[0])]

    def _fits(self, entry: Mapping[str, Any]) -> bool:
        return (
            all(_is_part(text, _said(entry)) for text in self.texts)
            and (self.task is None or self.task in entry["tasks"])
            and self.plugin in (None, entry["plugin"])
            and _is_part(self.dataset, entry["datasets"])
            and _is_part(self.architecture, [*entry["architecture"], entry["config"] or ""])
        )


def weights_entry(catalog: Catalog, found: Found, row: WeightsRow) -> dict[str, Any]:
    """Return a ``[[weights]]`` row for listings, compared with its file if that is on this machine.

    Args:
        catalog: The catalog that contains the row.
        found: The row as found in the catalog, with the record of its plugin.
        row: The same row, parsed.
    """
    from zoo.weights.files import find_place

    state, error = _state(found)
    place = find_place(found)
    classes, summary = _classes(found, row, place.path), _summary(catalog, row.config)
    return {
        **_UNKNOWN,
        "name": row.name,
        "plugin": found.record.name,
        "task": row.task,
        "tasks": [row.task],
        "config": row.config,
        "architecture": [],
        "summary": summary,
        "classes": classes,
        "datasets": sorted({metric.dataset for metric in row.metrics}),
        "size": f"{row.size_bytes / 1e6:.1f} MB",
        "size_bytes": row.size_bytes,
        "file": place.state,
        "path": None if place.path is None else str(place.path),
        "parameters": row.parameters,
        "metrics": [f"{m.name} {m.value:.4g} ({m.dataset}, {m.split})" for m in row.metrics],
        "values": [
            {"name": m.name, "value": m.value, "dataset": m.dataset, "split": m.split}
            for m in row.metrics
        ],
        "licence": row.licence,
        "data_licence": row.data_licence,
        "sha256": row.sha256,
        "state": state,
        "error": error,
    }


def _classes(found: Found, row: WeightsRow, path: Path | None) -> list[str]:
    """Return the classes in a file's record, else those of the plugin's data sets."""
    from zoo.weights.row_check import find_record, record_list

    record = None if path is None else find_record(path)
    if record is not None:
        return [each for each in record_list(record, "classes") if isinstance(each, str)]
    rows = [each for each in found.record.checked().datasets if each.task == row.task]
    named = [name for each in rows if not isinstance(each.classes, str) for name in each.classes]
    return list(dict.fromkeys(named))


def _summary(catalog: Catalog, config: str) -> str | None:
    try:
        row = catalog.find_config(config).row
    except ZooError:  # of a plugin that is not installed
        return None
    return row.summary if isinstance(row, ConfigRow) else None


def _state(found: Found) -> tuple[str, str | None]:
    from zoo.errors import ManifestError
    from zoo.weights.files import local_files
    from zoo.weights.row_check import check_row

    if found.error is not None:
        return "conflict", str(found.error)
    try:
        for path in local_files(found):
            check_row(found, path)
    except ManifestError as error:
        return "differs", str(error)
    except (OSError, ZooError):  # an unreadable cache hides no row
        pass
    return "ok", None


def legacy_entry(found: Found, row: LegacyRow, pin: Pin | None) -> dict[str, Any]:
    """Return a row of a legacy index for listings.

    Args:
        found: The row as found in the catalog, with the record of its plugin.
        row: The row.
        pin: Pin of the adopted copy of this row, if any.
    """
    adopted = (
        {
            "size": f"{pin.size_bytes / 1e6:.1f} MB",
            "size_bytes": pin.size_bytes,
            "parameters": pin.parameters,
            "sha256": pin.sha256,
        }
        if pin
        else {}
    )
    return {
        **_UNKNOWN,
        "name": row.name,
        "plugin": found.record.name,
        "task": row.task,
        "tasks": list(row.tasks),
        "config": row.config,
        "architecture": list(row.architecture),
        "summary": None,
        "classes": [],
        "datasets": list(row.datasets),
        "metrics": [f"{m.name} {m.value:.4g} ({m.dataset})" for m in row.metrics],
        "values": [{"name": m.name, "value": m.value, "dataset": m.dataset} for m in row.metrics],
        "memory_gb": row.memory_gb,
        "licence": row.licence,
        "data_licence": row.data_licence,
        "url": row.url,
        "sha256_prefix": row.sha256_prefix,
        "note": row.note,
        "state": "adopted" if pin else "legacy",
        "error": None,
        **adopted,
    }


def _plain(text: str) -> str:
    return text.lower().replace("_", "-").replace(" ", "-")


def _said(entry: Mapping[str, Any]) -> list[str]:
    """Return the searchable texts of an entry."""
    one = [entry[key] for key in ("name", "plugin", "config", "summary", "licence", "data_licence")]
    many = [entry[key] for key in ("tasks", "architecture", "datasets", "classes", "metrics")]
    return [text for text in (*one, *chain(*many)) if text]


def _is_part(wanted: str | None, names: Iterable[str]) -> bool:
    return wanted is None or any(_plain(wanted) in _plain(name) for name in names)


def _values(entry: Mapping[str, Any], metric: str, dataset: str | None) -> list[float]:
    return [
        one["value"]
        for one in entry["values"]
        if _plain(one["name"]) == _plain(metric) and _is_part(dataset, [one["dataset"]])
    ]


def _unknown_metric(name: str, rows: Sequence[Mapping[str, Any]]) -> UnknownNameError:
    known = sorted({one["name"] for entry in rows for one in entry["values"]})
    near = near_names(name, known)
    message = f"no metric named {name!r} in these rows."
    hint = hint_near(near, f"they have {', '.join(known)}." if known else "drop --metric.")
    return UnknownNameError(message, kind="metric", name=name, near=near, hint=hint)
