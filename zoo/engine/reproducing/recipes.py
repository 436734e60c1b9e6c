# SPDX-License-Identifier: Apache-2.0
"""``reproduce.toml`` beside a manifest: on which data the numbers of its rows were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["FILE_NAME", "Prepare", "Recipe", "Sample", "read_recipes"]

FILE_NAME = "reproduce.toml"
_LIMITS = Limits(size_bytes=2**20, values=10_000, depth=8)
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool | None": (bool,),
    "Mapping[str, Any]": (dict,),
}
PartT = TypeVar("PartT", "Prepare", "Sample", "Recipe")


@dataclass(frozen=True)
class Sample:
    """Synthetic raw data that a plugin draws.

    Attributes:
        dataset: Data set, as `zoo.sample` takes it.
        seed: Random seed.
        count: Number of images.
    """

    dataset: str
    seed: int
    count: int


@dataclass(frozen=True)
class Prepare:
    """How raw data becomes the folder to measure on.

    Attributes:
        dataset: ``plugin.Dataset``, as `zoo.prepare` takes it.
        shares: Shares of train, val and test.
        digest: sha256 of the list of the images to measure, so that others are not measured.
        split: Split of the prepared folder to measure.
        options: Options of the data set, with underscores.
    """

    dataset: str
    shares: str
    digest: str
    split: str = "test"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How one number of a row, or several on the same data, were measured.

    Attributes:
        weights: Name of the row.
        dataset: ``dataset`` of its metrics.
        split: ``split`` of its metrics.
        tolerance: Largest difference that counts as equal, in the unit of the metrics, on a device
            of the same class.
        prepare: How raw data becomes the folder to measure on.
        sample: Raw data that a plugin draws, or None: then the user has it.
        source: Where to get the raw data, and what of it; for people.
        windows: Whether images are processed through the config's windows; None for what
            ``zoo predict`` does.
        device: ``cpu`` or ``cuda``.
    """

    weights: str
    dataset: str
    split: str
    tolerance: float
    prepare: Prepare
    sample: Sample | None = None
    source: str = ""
    windows: bool | None = None
    device: str = "cpu"


def read_recipes(folder: Path) -> list[Recipe]:
    """Return the recipes of a plugin; none if it has no ``reproduce.toml``.

    Args:
        folder: Folder of its package.

    Raises:
        DataError: The file cannot be read, or a key is missing, unknown or of another type.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return []
    try:
        document = read_toml(path, _LIMITS)
    except (OSError, DocumentError) as error:
        raise _bad(path, reason_of(error)) from error
    rows = document.pop("recipe", [])
    if document or not isinstance(rows, list):
        raise _bad(path, "it has more than tables [[recipe]]")
    return [_recipe(path, f"recipe {number}", row) for number, row in enumerate(rows, 1)]


def _recipe(path: Path, label: str, row: Any) -> Recipe:
    values = _table(path, label, row)
    values["prepare"] = _part(path, f"{label} prepare", values.get("prepare"), Prepare)
    if "sample" in values:
        values["sample"] = _part(path, f"{label} sample", values["sample"], Sample)
    return _part(path, label, values, Recipe)


def _part(path: Path, label: str, values: Any, kind: type[PartT]) -> PartT:
    given = _table(path, label, values)
    known = {each.name: str(each.type) for each in fields(kind)}
    for key, value in given.items():
        if key not in known:
            raise _bad(path, f"{label} has the unknown key {shown(key)}")
        wanted = _KINDS.get(known[key], (object,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            is_part = isinstance(value, (Prepare, Sample))
            if not is_part:
                raise _bad(path, f"{label}: {key} is {shown(value)}")
    try:
        return kind(**given)
    except TypeError as error:
        raise _bad(path, f"{label} lacks a key: it has {', '.join(sorted(given))}") from error


def _table(path: Path, label: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise _bad(path, f"{label} is {shown(values)}, expected a table")
    return dict(values)


def _bad(path: Path, reason: str) -> DataError:
    message = f"cannot read how the numbers were measured: {reason}."
    return DataError(message, path=path, hint="report it to the author of that plugin.")
