# SPDX-License-Identifier: Apache-2.0
"""Rows of weights by name and version, each with its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_gallery.models import Version
from zoo_gallery.site_names import page_names

if TYPE_CHECKING:
    from zoo.manifest.rows import AnyWeightsRow

__all__ = ["RowVersion", "with_versions"]


@dataclass(frozen=True, slots=True)
class RowVersion:
    """One row of weights among its versions.

    Attributes:
        row: The row.
        path: Path of its page in the site.
        is_newest: Whether its name alone means it.
        others: The other versions, the newest first.
    """

    row: AnyWeightsRow
    path: str
    is_newest: bool
    others: tuple[Version, ...]


def with_versions(
    rows: Sequence[AnyWeightsRow], folder: str, scope: str = ""
) -> Iterator[RowVersion]:
    """Yield the rows of one plugin or source, sorted by name, of each the newest version first.

    Args:
        rows: The rows.
        folder: Path of their pages in the site.
        scope: What their names begin with and their pages do not, such as ``acme/``.
    """
    groups: dict[str, dict[int, AnyWeightsRow]] = {}
    for row in rows:
        groups.setdefault(row.name, {})[row.version] = row
    chosen = {name: _newest(versions) for name, versions in groups.items()}
    called = {
        (name, number): name if number == chosen[name] else f"{name}@{number}"
        for name, versions in groups.items()
        for number in versions
    }
    files = page_names(name.removeprefix(scope) for name in called.values())
    paths = {
        key: f"{folder}/{files[name.removeprefix(scope)]}.html" for key, name in called.items()
    }
    for name in sorted(groups):
        versions = groups[name]
        ordered = sorted(versions, key=lambda number: (number != chosen[name], -number))
        every = [
            Version(number, paths[name, number], versions[number].yanked is not None)
            for number in ordered
        ]
        for number in ordered:
            others = tuple(each for each in every if each.number != number)
            is_newest = number == chosen[name]
            yield RowVersion(versions[number], paths[name, number], is_newest, others)


def _newest(versions: dict[int, AnyWeightsRow]) -> int:
    """Return the version that the name alone means: the newest that was not withdrawn."""
    usable = [number for number, row in versions.items() if row.yanked is None]
    return max(usable or versions)
