# SPDX-License-Identifier: Apache-2.0
"""The numbers of a row, measured again where the data for them is here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.catalog import read_catalog
from zoo.data import read_prepared
from zoo.engine.measuring.measure import measure
from zoo.engine.reproducing.comparing import Comparison, compare
from zoo.engine.reproducing.folders import AbsentError, Folders
from zoo.engine.reproducing.recipes import Recipe, read_recipes
from zoo.errors import DataError

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
    name: str, data: str | Path | None = None, *, tell: Callable[[str], None] = lambda _: None
) -> Reproduction:
    """Measure the stated numbers of weights again, each set of data once.

    ``reproduce.toml`` of their plugin says on which data; without it, the row has to name a data
    set, and ``data`` has to be a folder prepared from it.

    Args:
        name: ``Name`` or ``plugin.Name`` of weights.
        data: Raw data or a prepared folder; None for what a plugin draws.
        tell: Called with a line about what is done next.

    Raises:
        UnknownNameError: No weights have that name.
        DataError: The data cannot be read.
        ZooError: The weights cannot be fetched, read or measured.

    Example:
        >>> found = zoo.reproduce("mask_rcnn_small_tanks")  # doctest: +SKIP
        >>> found.count("equal"), found.count("differs")  # doctest: +SKIP
        (6, 0)
    """
    given = None if data is None else Path(data)
    if given is not None and not given.exists():
        message = f"cannot reproduce {name!r}: there is no {str(given)!r}."
        raise DataError(message, path=given, hint="give a folder or .zip of raw data with --data.")
    found = read_catalog().find_weights(name)
    row: Any = found.row
    recipes = read_recipes(found.record.checked().folder)
    with tempfile.TemporaryDirectory(prefix="zoo-reproduce-") as scratch:
        measuring = _Measuring(name, recipes, Folders(Path(scratch), given), tell)
        numbers = tuple(measuring.compare(row.name, metric) for metric in row.metrics)
    return Reproduction(row.name, found.record.name, numbers)


@dataclass
class _Measuring:
    """The measurements of one row, each made once."""

    name: str
    recipes: list[Recipe]
    folders: Folders
    tell: Callable[[str], None]
    measured: dict[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)

    def compare(self, weights: str, metric: Any) -> Comparison:
        asked = Comparison(
            metric=metric.name,
            dataset=metric.dataset,
            split=metric.split,
            unit=metric.unit,
            stated=metric.value,
        )
        try:
            values, tolerance = self._measure(weights, metric)
        except AbsentError as absent:
            return replace(asked, reason=absent.reason, get=absent.get)
        return compare(asked, values.get(metric.name), tolerance)

    def _measure(self, weights: str, metric: Any) -> tuple[Mapping[str, float], float]:
        """Return what a number is to be compared with, and within what."""
        key = (metric.dataset, metric.split)
        recipe = next((each for each in self.recipes if _is_for(each, weights, *key)), None)
        if recipe is None and metric.published is not None:
            reason = f"it was published elsewhere, by another program: {metric.published}"
            raise AbsentError(reason)
        if key not in self.measured:
            run = self._as_named(metric) if recipe is None else self._as_stated(recipe)
            self.measured[key] = run
        if recipe is not None:
            return self.measured[key], recipe.tolerance
        return self.measured[key], _TOLERANCE.get(metric.unit, _SHARE * abs(metric.value))

    def _as_stated(self, recipe: Recipe) -> Mapping[str, float]:
        _check_device(recipe.device)
        folder = self.folders.of(recipe)
        self.tell(f"measuring {recipe.weights} on {recipe.dataset}, {recipe.split}")
        split = recipe.prepare.split
        return measure(self.name, folder, split=split, tiles=recipe.windows, device=recipe.device)

    def _as_named(self, metric: Any) -> Mapping[str, float]:
        folder = _named_folder(metric, self.folders)
        self.tell(f"measuring {self.name} on {folder}")
        return measure(self.name, folder, split=metric.split, device="cpu")


def _is_for(recipe: Recipe, weights: str, dataset: str, split: str) -> bool:
    return (recipe.weights, recipe.dataset, recipe.split) == (weights, dataset, split)


def _check_device(device: str) -> None:
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        reason = "it was measured on a GPU, and this process has none"
        raise AbsentError(reason, "zoo reproduce on a machine with a GPU.")


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
