# SPDX-License-Identifier: Apache-2.0
"""Filters that select entries of weights in listings, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from zoo.cli.options.metric_filter import MetricFilter, metric_value
from zoo.errors import UnknownNameError
from zoo.names import hint_near, near_names

__all__ = ["SORTS", "Filters", "parse_amount"]

SORTS = ("name", "size", "parameters")
"""Keys of ``--sort`` besides names of metrics: ascending."""
_AMOUNT = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>[kMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_HERE = ("shipped", "cached", "adopted")


def parse_amount(text: str) -> float | None:
    """Return a number with a decimal unit such as ``200MB`` or ``30M``, or None.

    Args:
        text: Value of ``--max-size`` or ``--max-parameters``.

    Example:
        >>> parse_amount("200MB")
        200000000.0
    """
    found = _AMOUNT.fullmatch(text.strip())
    return None if found is None else float(found["number"]) * _UNITS[found["unit"].lower()]


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
        classes: Class names that the model must all have.
        licence: Part of the licence of the weights.
        is_commercial: Whether to keep only weights whose licence permits commercial use, as far as
            it is known.
        most_bytes: Largest size of the file; unknown sizes do not fit.
        most_parameters: Largest number of parameters; unknown numbers do not fit.
        is_here: Whether to keep only weights whose file is on this machine.
        sort: One of `SORTS`, or the name of a metric (highest first); rows without it come last.
    """

    texts: Sequence[str] = ()
    task: str | None = None
    plugin: str | None = None
    dataset: str | None = None
    architecture: str | None = None
    metric: MetricFilter | None = None
    classes: Sequence[str] = ()
    licence: str | None = None
    is_commercial: bool = False
    most_bytes: float | None = None
    most_parameters: float | None = None
    is_here: bool = False
    sort: str | None = None

    def choose(self, entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the entries that fit, sorted.

        Args:
            entries: Entries of `zoo.cli.options.weights_entries`.

        Raises:
            UnknownNameError: No entry was measured by a metric that the user names.
        """
        rows = [entry for entry in entries if self._fits(entry)]
        if self.metric is not None and rows:
            self._check_metric(self.metric.name, rows)
            measured = self.metric
            rows = [
                entry
                for entry in rows
                if any(map(measured.fits, _values(entry, measured.name, self.dataset)))
            ]
        order = self.sort or (None if self.metric is None else self.metric.name)
        return rows if order is None else self._sorted(rows, order)

    def _sorted(self, rows: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
        key = {"size": "size_bytes"}.get(order, order)
        if order in SORTS:
            known = [entry for entry in rows if entry[key] is not None]
            unknown = [entry for entry in rows if entry[key] is None]
            return [*sorted(known, key=lambda entry: entry[key]), *unknown]
        if rows:
            self._check_metric(order, rows)
        best = [
            (max(map(metric_value, _values(entry, order, self.dataset)), default=None), entry)
            for entry in rows
        ]
        with_value = [(value, entry) for value, entry in best if value is not None]
        ordered = [entry for _, entry in sorted(with_value, key=lambda pair: -pair[0])]
        return [*ordered, *(entry for value, entry in best if value is None)]

    def _check_metric(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not any(_values(entry, name, self.dataset) for entry in rows):
            raise _unknown_metric(name, rows)

    def _fits(self, entry: Mapping[str, Any]) -> bool:
        return (
            all(_is_part(text, _said(entry)) for text in self.texts)
            and (self.task is None or self.task in entry["tasks"])
            and self.plugin in (None, entry["plugin"])
            and _is_part(self.dataset, entry["datasets"])
            and _is_part(self.architecture, [*entry["architecture"], entry["config"] or ""])
            and (not self.classes or self._has_classes(entry))
            and _is_part(self.licence, [entry["licence"]])
            and not (self.is_commercial and _is_restricted(entry))
            and _is_at_most(entry["size_bytes"], self.most_bytes)
            and _is_at_most(entry["parameters"], self.most_parameters)
            and (not self.is_here or entry["file"] in _HERE or entry["state"] == "adopted")
        )

    def _has_classes(self, entry: Mapping[str, Any]) -> bool:
        return {*map(_plain, self.classes)} <= {*map(_plain, entry["classes"])}


def _is_restricted(entry: Mapping[str, Any]) -> bool:
    """Return whether the licence needs acceptance, by the rule of the gate before a download."""
    from zoo.weights.licences import restriction_of

    return restriction_of(entry["licence"], entry["non_commercial"]) is not None


def _is_at_most(value: float | None, most: float | None) -> bool:
    return most is None or (value is not None and value <= most)


def _plain(text: str) -> str:
    return text.lower().replace("_", "-").replace(" ", "-")


def _said(entry: Mapping[str, Any]) -> list[str]:
    """Return the searchable texts of an entry."""
    one = [entry[key] for key in ("name", "plugin", "config", "summary", "licence", "data_licence")]
    many = [entry[key] for key in ("tasks", "architecture", "datasets", "classes", "metrics")]
    return [text for text in (*one, *chain(*many), *entry["aliases"], *entry["replaces"]) if text]


def _is_part(wanted: str | None, names: Iterable[str]) -> bool:
    return wanted is None or any(_plain(wanted) in _plain(name) for name in names)


def _values(entry: Mapping[str, Any], metric: str, dataset: str | None) -> list[dict[str, Any]]:
    return [
        one
        for one in entry["values"]
        if _plain(one["name"]) == _plain(metric) and _is_part(dataset, [one["dataset"]])
    ]


def _unknown_metric(name: str, rows: Sequence[Mapping[str, Any]]) -> UnknownNameError:
    known = sorted({one["name"] for entry in rows for one in entry["values"]})
    near = near_names(name, known)
    message = f"no metric named {name!r} in these rows."
    hint = hint_near(near, f"they have {', '.join(known)}." if known else "drop --metric.")
    return UnknownNameError(message, kind="metric", name=name, near=near, hint=hint)
