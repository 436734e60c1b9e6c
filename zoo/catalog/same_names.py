# SPDX-License-Identifier: Apache-2.0
"""Rows of one name: versions of weights, equal files, and names that are ambiguous."""

from __future__ import annotations

from zoo.catalog.records import Found, Row
from zoo.errors import ConflictError
from zoo.manifest.kinds import KINDS
from zoo.manifest.rows import CommandRow, LivingRow, WeightsFacts, WeightsRow

__all__ = ["ambiguous", "collapse_weights", "newest"]


def newest(group: list[Found]) -> list[Found]:
    """Return only the newest version of each plugin's weights of one name.

    Args:
        group: Rows of any kind.
    """
    versions: dict[tuple[str, str], int] = {}
    for found in group:
        if isinstance(found.row, WeightsFacts):
            key = (found.record.name, found.row.name)
            versions[key] = max(versions.get(key, 0), found.row.version)
    return [
        found
        for found in group
        if not isinstance(found.row, WeightsFacts)
        or found.row.version == versions[(found.record.name, found.row.name)]
    ]


def collapse_weights(usable: list[Found]) -> list[Found]:
    """Return the first of rows with equal digests: equal bytes are the same weights.

    Args:
        usable: Rows of one name.
    """
    digests = {_digest(found.row) for found in usable}
    return usable[:1] if len(digests) == 1 and None not in digests else usable


def _digest(row: Row) -> str | None:
    if isinstance(row, LivingRow):
        return f"{row.digest.value}, {row.converter}" if row.digest.is_full else None
    return row.sha256 if isinstance(row, WeightsRow) else None


def ambiguous(kind: str, name: str, usable: list[Found]) -> ConflictError:
    """Return the error of a name that several rows have.

    Args:
        kind: The kind that was looked up.
        name: The name.
        usable: The rows, of which a user must choose one by its full name.
    """
    first, second = (f"plugin {found.record.name}" for found in usable[:2])
    message = f"cannot choose the {kind} {name!r}: {first} and {second} both have one."
    names = [f"{_before(found.row)}{found.record.name}.{found.row.name}" for found in usable]
    return ConflictError(message, first=first, second=second, hint=f"write {' or '.join(names)}.")


def _before(row: Row) -> str:
    """Return what stands before the full name of a row where it is used."""
    if isinstance(row, CommandRow):
        return f"{row.parent} "
    return "zoo." if row.kind in KINDS else ""
