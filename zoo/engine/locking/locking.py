# SPDX-License-Identifier: Apache-2.0
"""``zoo lock``: write what a team shares into ``zoo.lock``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.engine.adoption.adopting import Way
from zoo.engine.locking.wanted import Rows, Wanted, call_of, describe_all, find_wanted, here_now
from zoo.errors import UnknownNameError
from zoo.weights.lock import add_pins, lock_file, read_pins
from zoo.weights.lock_file.document import check_unfrozen
from zoo.weights.lock_file.team import add_rows, read_configs, read_plugins

__all__ = ["Change", "add_to_lock", "lock", "read_rows"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the lock after it was written.

    Attributes:
        kind: ``plugin``, ``config`` or ``weights``.
        name: Its name.
        change: ``added``, ``updated``, ``kept``, or ``not here``: kept as it was.
    """

    kind: str
    name: str
    change: str


def lock(names: Sequence[str], way: Way) -> list[Change]:
    """Write named weights, configs and plugins, and what they need, into the lock file.

    Without names, every row of the lock is brought to what is here; an empty lock gets all plugins
    and all weights that are here.

    Args:
        names: Names of weights, configs or plugins, and paths of configs.
        way: Where files may come from.

    Returns:
        One entry for each row of the lock that is named, or that a named one needs.

    Raises:
        ZooError: Something cannot be found, fetched or read; the lock is as it was.
        DownloadError: The lock cannot be read or written, or ``ZOO_FROZEN`` is set.
    """
    file = lock_file()
    check_unfrozen(file)
    before = read_rows(file)
    absent: list[Change] = []
    if names:
        wanted = find_wanted(names, file.parent)
    elif before.weights or before.configs or before.plugins:
        wanted = _named_in(before, file.parent, absent)
    else:
        wanted = here_now()
    after = describe_all(wanted, file.parent, way)
    add_to_lock(file, after)
    return sorted([*_changes(before, after), *absent], key=lambda each: (each.kind, each.name))


def read_rows(file: Path) -> Rows:
    """Return all rows of a lock file but the accepted licences.

    Args:
        file: A ``zoo.lock``.

    Raises:
        DownloadError: It cannot be read, or is not a valid lock file.
    """
    return Rows(read_pins(file), read_configs(file), read_plugins(file))


def add_to_lock(file: Path, rows: Rows) -> None:
    """Add rows to a lock file, or replace those of the same names.

    Args:
        file: The lock file.
        rows: The rows.

    Raises:
        DownloadError: It cannot be read or written, or ``ZOO_FROZEN`` is set.
    """
    add_pins(rows.weights.values(), file, replace=True)
    add_rows(file, rows.plugins.values(), rows.configs.values())


def _named_in(rows: Rows, folder: Path, absent: list[Change]) -> Wanted:
    """Return what a lock names; what is not here is added to ``absent``."""
    wanted = Wanted()
    listed: tuple[tuple[str, dict[str, str]], ...] = (
        ("weights", {pin.name: call_of(pin) for pin in rows.weights.values()}),
        ("config", {name: name for name in rows.configs}),
        ("plugin", {name: name for name in rows.plugins}),
    )
    for kind, names in listed:
        for shown, name in names.items():
            try:
                found = find_wanted([name], folder)
            except UnknownNameError:
                absent.append(Change(kind, shown, "not here"))
                continue
            wanted.weights += found.weights if kind == "weights" else []
            wanted.configs += found.configs if kind == "config" else []
            wanted.plugins += found.plugins if kind == "plugin" else []
    return wanted


def _changes(before: Rows, after: Rows) -> Iterator[Change]:
    pairs: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("weights", before.weights, after.weights),
        ("config", before.configs, after.configs),
        ("plugin", before.plugins, after.plugins),
    )
    for kind, old, new in pairs:
        for name, row in new.items():
            change = "kept" if old.get(name) == row else "updated" if name in old else "added"
            yield Change(kind, name, change)
