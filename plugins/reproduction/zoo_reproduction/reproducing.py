# SPDX-License-Identifier: Apache-2.0
"""The numbers of a row, measured again where the data for them is here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from zoo.data import read_prepared
from zoo.errors import DataError
from zoo_reproduction.comparing import Comparison, compare
from zoo_reproduction.data import AbsentError, Folders
from zoo_reproduction.recipes import Recipe, read_recipes

__all__ = ["Reproduction", "reproduce"]

# Without a recipe of the author's: other processors sum in another order.
_TOLERANCE = {"fraction": 0.002, "percent": 0.2}
_SHARE = 0.002  # of a count or a length


@dataclass(frozen=True)
class Reproduction:
    """The result for one row.

    Attributes:
        weights: Name of the row.
        plugin: Its plugin.
        numbers: Each number of the row.
    """

    weights: str
    plugin: str
    numbers: tuple[Comparison, ...]

    def count(self, state: str) -> int:
        """Return how many numbers have a state.

        Args:
            state: ``equal``, ``differs`` or ``not measured``.
        """
        return sum(each.state == state for each in self.numbers)


def reproduce(
    name: str, data: Path | None, tell: Callable[[str], None] = lambda _: None
) -> Reproduction:
    """Measure the numbers of a row again, each set of data once.

    Args:
        name: ``Name`` or ``plugin.Name`` of weights.
        data: Raw data or a prepared folder; None for what a plugin draws.
        tell: Called with a line about what is done next.

    Raises:
        UnknownNameError: No weights have that name.
        DataError: The data cannot be read.
        ZooError: The weights cannot be fetched, read or measured.
    """
    if data is not None and not data.exists():
        message = f"cannot reproduce {name!r}: there is no {str(data)!r}."
        raise DataError(message, path=data, hint="give a folder or .zip of raw data with --data.")
    found = zoo.read_catalog().find_weights(name)
    row: Any = found.row
    recipes = read_recipes(found.record.checked().folder)
    measured: dict[int, Mapping[str, float]] = {}
    numbers = []
    with tempfile.TemporaryDirectory(prefix="zoo-reproduce-") as scratch:
        folders = Folders(Path(scratch), data)
        for metric in row.metrics:
            asked = Comparison(
                metric=metric.name,
                dataset=metric.dataset,
                split=metric.split,
                unit=metric.unit,
                stated=metric.value,
            )
            try:
                numbers.append(_number(name, row, metric, asked, recipes, folders, measured, tell))
            except AbsentError as absent:
                numbers.append(
                    Comparison(**{**vars(asked), "reason": absent.reason, "get": absent.get})
                )
    return Reproduction(row.name, found.record.name, tuple(numbers))


def _number(
    name: str,
    row: Any,
    metric: Any,
    asked: Comparison,
    recipes: list[Recipe],
    folders: Folders,
    measured: dict[int, Mapping[str, float]],
    tell: Callable[[str], None],
) -> Comparison:
    key = (row.name, metric.dataset, metric.split)
    for number, recipe in enumerate(recipes):
        if (recipe.weights, recipe.dataset, recipe.split) == key:
            if number not in measured:
                folder = folders.of(recipe)
                tell(f"measuring {row.name} on {recipe.dataset}, {recipe.split}")
                measured[number] = zoo.measure(
                    name,
                    folder,
                    split=recipe.prepare.split,
                    tiles=recipe.windows,
                    device=recipe.device,
                )
            return compare(asked, measured[number].get(metric.name), recipe.tolerance)
    if metric.published is not None:
        reason = f"it was published elsewhere, by another program: {metric.published}"
        raise AbsentError(reason)
    folder = _named_folder(metric, folders)
    if -1 not in measured:
        tell(f"measuring {row.name} on {folder}")
        measured[-1] = zoo.measure(name, folder, split=metric.split, device="cpu")
    tolerance = _TOLERANCE.get(metric.unit, _SHARE * abs(metric.value))
    return compare(asked, measured[-1].get(metric.name), tolerance)


def _named_folder(metric: Any, folders: Folders) -> Path:
    """Return the given prepared folder, if it is of the data set that a metric names."""
    dataset, *options = [part.strip() for part in metric.dataset.split(",")]
    get = f"--data DIR, a folder prepared from {metric.dataset}"
    if metric.split not in ("train", "val", "test"):
        msg = f"its row names no split of a prepared folder, but {metric.split!r}"
        raise AbsentError(msg)
    if not folders.is_prepared or folders.given is None:
        msg = "its plugin states no recipe, and no prepared folder is given"
        raise AbsentError(msg, get)
    found = read_prepared(folders.given)
    stated = dict(part.partition("=")[::2] for part in options)
    is_same = found.type.removeprefix("zoo.") == dataset and all(
        str(found.options.get(key)) == value for key, value in stated.items()
    )
    if not is_same:
        msg = f"the data given is {found.type}, not what its row names"
        raise AbsentError(msg, get)
    return folders.given
