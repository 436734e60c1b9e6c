# SPDX-License-Identifier: Apache-2.0
"""Rows of weights as entries of a listing, all with the same keys."""

from __future__ import annotations

from dataclasses import asdict, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Catalog, Found
from zoo.cli.options.metric_filter import metric_text
from zoo.errors import ManifestError, ZooError
from zoo.manifest.legacy_rows import LegacyRow
from zoo.manifest.rows import ConfigRow, LivingRow, MetricValue, WeightsFacts, WeightsRow
from zoo.weights.cache import cached_digests
from zoo.weights.files import find_place, local_files
from zoo.weights.row_check import check_row, find_record, record_list

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from zoo.weights.lock import Pin

__all__ = ["legacy_entry", "row_entry", "weights_entries", "weights_entry"]

# Rows of all sorts have every key; unknown values are null.
_UNKNOWN = dict.fromkeys(
    [
        *("size", "size_bytes", "file", "path", "parameters", "sha256", "digest", "converter"),
        *("memory_gb", "url", "sha256_prefix", "note", "non_commercial", "version", "yanked"),
        *("successor", "source"),
    ]
)
_METRIC_FIELDS = tuple(field.name for field in fields(MetricValue))
_read_metric = attrgetter(*_METRIC_FIELDS)


def weights_entries(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the weights of all usable plugins for listings, as `weights_entry` does for one.

    Args:
        catalog: The plugins.
    """
    cached = cached_digests()
    return [
        weights_entry(catalog, found, found.row, cached)
        for found in catalog.rows("weights")
        if isinstance(found.row, WeightsFacts)
    ]


def weights_entry(
    catalog: Catalog, found: Found, row: WeightsFacts, cached: Container[str] | None = None
) -> dict[str, Any]:
    """Return a row of weights for listings, compared with its file if that is on this machine.

    Args:
        catalog: The catalog that contains the row.
        found: The row as found in the catalog, with the record of its plugin.
        row: The same row, parsed.
        cached: Digests of which the cache may have a file; None to look.
    """
    entry = row_entry(found, row)
    path = None
    if isinstance(row, (WeightsRow, LivingRow)):
        place = find_place(found, cached)
        path = place.path
        entry["file"], entry["path"] = place.state, None if path is None else str(path)
    entry["state"], entry["error"] = _state(found, is_here=path is not None)
    entry["summary"] = _summary(catalog, row.config)
    entry["classes"] = _classes(found, row, path)
    return entry


def row_entry(found: Found, row: WeightsFacts) -> dict[str, Any]:
    """Return what a row of weights itself says, for listings, as if its file were elsewhere.

    Args:
        found: The row, with the record of its plugin or source.
        row: The same row, parsed.
    """
    values = [_values(metric) for metric in row.metrics]
    return {
        **_UNKNOWN,
        "name": row.name,
        "plugin": found.record.name,
        "task": row.task,
        "tasks": [row.task],
        "config": row.config or None,
        "architecture": [],
        "summary": None,
        "classes": list(row.classes or ()),
        "datasets": sorted({metric.dataset for metric in row.metrics}),
        "parameters": row.parameters,
        "metrics": [metric_text(one) for one in values],
        "values": values,
        "licence": row.licence,
        "non_commercial": row.non_commercial,
        "data_licence": row.data_licence,
        "url": row.urls[0] if row.urls else None,
        "replaces": list(row.replaces),
        "aliases": list(row.aliases),
        "version": row.version,
        "yanked": row.yanked,
        "successor": row.successor,
        "source": row.source,
        "state": "ok",
        "error": None,
        **_file(row),
    }


def _values(metric: MetricValue) -> dict[str, Any]:
    """Return a metric as a dict; ``asdict`` takes many times as long, which 15,000 rows show."""
    return dict(zip(_METRIC_FIELDS, _read_metric(metric), strict=True))


def _file(row: WeightsFacts) -> dict[str, Any]:
    """Return what a row says about its file."""
    size_bytes = row.size_bytes if isinstance(row, (WeightsRow, LivingRow)) else None
    facts: dict[str, Any] = {
        "size": None if size_bytes is None else f"{size_bytes / 1e6:.1f} MB",
        "size_bytes": size_bytes,
        "file": "to fetch",
        "path": None,
    }
    if isinstance(row, LivingRow):
        facts |= {"digest": row.digest.kind, "sha256": row.sha256, "converter": row.converter}
        facts["file"] = "to fetch" if row.digest.is_full else "to pin"
    elif isinstance(row, WeightsRow):
        facts |= {"digest": "sha256", "sha256": row.sha256}
    return facts


def _classes(found: Found, row: WeightsFacts, path: Path | None) -> list[str]:
    """Return the classes in a file's record, else those of the row or the plugin's data sets."""
    record = None if path is None else find_record(path)
    if record is not None:
        return [each for each in record_list(record, "classes") if isinstance(each, str)]
    if row.classes is not None:
        return list(row.classes)
    rows = [each for each in found.record.checked().datasets if each.task == row.task]
    named = [name for each in rows if not isinstance(each.classes, str) for name in each.classes]
    return list(dict.fromkeys(named))


def _summary(catalog: Catalog, config: str) -> str | None:
    """Return the summary of a config, or None if no usable plugin or more than one has it."""
    found = [each for each in catalog.named(config) if each.record.error is None]
    rows = [each.row for each in found if isinstance(each.row, ConfigRow)]
    return rows[0].summary if len(rows) == 1 else None


def _state(found: Found, *, is_here: bool) -> tuple[str, str | None]:
    if found.error is not None:
        return "conflict", str(found.error)
    if not isinstance(found.row, WeightsRow) or not is_here:
        return "ok", None
    try:
        for path in local_files(found):
            check_row(found, path)
    except ManifestError as error:
        return "differs", str(error)
    except (OSError, ZooError):  # an unreadable cache hides no row
        pass
    return "ok", None


def legacy_entry(
    found: Found, row: LegacyRow, pin: Pin | None, living: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a row of a legacy index for listings.

    Args:
        found: The row as found in the catalog, with the record of its plugin.
        row: The row.
        pin: Pin of the adopted copy of this row, if any.
        living: Former address -> name of the weights that bring it back.
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
    successor = (living or {}).get(row.url)
    values = [asdict(metric) for metric in row.metrics]
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
        "metrics": [metric_text(one) for one in values],
        "values": values,
        "memory_gb": row.memory_gb,
        "licence": row.licence,
        "data_licence": row.data_licence,
        "url": row.url,
        "replaces": [],
        "aliases": [],
        "successor": successor,
        "sha256_prefix": row.sha256_prefix,
        "note": row.note,
        "state": "adopted" if pin else "living" if successor else "legacy",
        "error": None,
        **adopted,
    }
