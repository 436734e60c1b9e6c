# SPDX-License-Identifier: Apache-2.0
"""Select the rows of a plugin that each rule is tested on, one test per rule and row.

A rule declares its rows by the name of an argument, such as ``each_hook``. This module lists the
matching rows of the manifest before it imports the plugin.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from zoo.checking.kinds.base import KindChecks
from zoo.checking.kinds.targets import targets_of
from zoo.errors import ManifestError
from zoo.manifest.rows import DatasetRow

__all__ = ["cases_of", "rows_of_rule"]

# A name to show, and the argument of the test.
_Row = tuple[str, Any]


def rows_of_rule(checks: KindChecks, rule: Callable[..., None]) -> dict[str, list[_Row]]:
    """Return the row argument of a rule, with ``(name, row)`` for each row.

    Args:
        checks: The plugin under test.
        rule: A test of the kit; the result is empty if it applies to the whole plugin.
    """
    names = [name for name in inspect.signature(rule).parameters if name in _LISTS]
    try:
        return {name: _numbered(list(_LISTS[name](checks))) for name in names}
    except ManifestError:
        return {name: [] for name in names}  # test_manifest_holds reports it


def cases_of(checks: KindChecks, rule: Callable[..., None]) -> list[tuple[str, dict[str, Any]]]:
    """Return ``(name of the row, arguments)`` for each test of a rule.

    Args:
        checks: The plugin under test.
        rule: A test of the kit; one for the whole plugin has a single case without a name.
    """
    rows = rows_of_rule(checks, rule)
    if not rows:
        return [("", {})]
    ((argument, values),) = rows.items()
    return [(name, {argument: value}) for name, value in values]


def _numbered(rows: list[_Row]) -> list[_Row]:
    """Return the rows, with numbers added to equal names (variants of one row)."""
    names = [name for name, _ in rows]
    return [
        (name if names.count(name) == 1 else f"{name}-{names[: place + 1].count(name)}", value)
        for place, (name, value) in enumerate(rows)
    ]


def _contributions(checks: KindChecks) -> Iterator[_Row]:
    for row in checks.record().checked().contributions:
        yield f"{row.kind}-{row.name}", row


def _targets(checks: KindChecks) -> Iterator[_Row]:
    for found in targets_of(checks.record().checked()):
        yield f"{found.row.kind}-{found.row.name}-{found.target.rpartition(':')[2]}", found


def _weights(checks: KindChecks) -> Iterator[_Row]:
    for row in checks.record().checked().weights:
        yield row.name, row


def _plain(kind: str) -> Callable[[KindChecks], Iterator[_Row]]:
    def rows(checks: KindChecks) -> Iterator[_Row]:
        for row in checks.rows_of(kind):
            yield row.name, row

    return rows


def _configs(kind: str) -> Callable[[KindChecks], Iterator[_Row]]:
    def configs(checks: KindChecks) -> Iterator[_Row]:
        for row in checks.rows_of(kind):
            for config in checks.variants_of(row):
                yield row.name, config

    return configs


def _head_losses(checks: KindChecks) -> Iterator[_Row]:
    for row in checks.rows_of("loss"):
        if row.name in checks.settings or row.name not in checks.mask_settings:
            for config in checks.variants_of(row):
                yield row.name, config


def _mask_losses(checks: KindChecks) -> Iterator[_Row]:
    for row in checks.rows_of("loss"):
        for settings in checks.mask_settings.get(row.name, ()):
            yield row.name, {"type": checks.type_of(row), **settings}


def _datasets(*tasks: str, part: str) -> Callable[[KindChecks], Iterator[_Row]]:
    def datasets(checks: KindChecks) -> Iterator[_Row]:
        for row in checks.rows_of("dataset"):
            if isinstance(row, DatasetRow) and row.task in tasks and getattr(row, part):
                yield row.name, row

    return datasets


_LISTS: dict[str, Callable[[KindChecks], Iterator[_Row]]] = {
    "each_contribution": _contributions,
    "each_target": _targets,
    "each_weights": _weights,
    "each_check": _plain("check"),
    "each_converter": _plain("converter"),
    "each_command": _plain("command"),
    "each_evaluator": _configs("evaluator"),
    "each_panel": _plain("panel"),
    "each_planner": _plain("planner"),
    "each_exchange": _plain("exchange"),
    "each_hook": _configs("hook"),
    "each_metric": _configs("metric"),
    "each_model": _configs("model"),
    "each_transform": _configs("transform"),
    "each_head_loss": _head_losses,
    "each_mask_loss": _mask_losses,
    "each_sample": _datasets("semantic", "instance", part="sample"),
    "each_prepared": _datasets("semantic", "instance", part="prepare"),
    "each_semantic": _datasets("semantic", part="prepare"),
    "each_instance": _datasets("instance", part="prepare"),
}
