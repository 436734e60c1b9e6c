# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals by the bootstrap: images, or whole groups of them, drawn with replacement.

Images of one patient or scene resemble each other, so that drawing single images would give
intervals that are too narrow. The groups are drawn, and each brings all its images. Every value of
a table is computed from the same draws, which are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Statistic: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["DRAWS", "LEAST_GROUPS", "LEVEL", "SEED", "Interval", "bootstrap", "mean_of", "means_of"]

_Name = TypeVar("_Name", bound=Hashable)

DRAWS, LEVEL, SEED = 2_000, 0.95, 0
LEAST_GROUPS = 5
"""Groups that an interval needs: the ends of fewer are little more than the extremes of the few."""

_MOST_CELLS = 4_000_000  # of the table of draws at a time


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its confidence interval.

    Attributes:
        value: Of all images.
        low: Lower end, or None where fewer than ``LEAST_GROUPS`` groups have a value.
        high: Upper end, or None.
    """

    value: float
    low: float | None = None
    high: float | None = None


def bootstrap(
    sums: NDArray[np.float64], statistics: Sequence[Statistic], groups: Sequence[str]
) -> list[list[Interval | None]]:
    """Return statistics of sums over images, and their percentile intervals.

    An image whose K numbers are all 0 says nothing of a row, and a group of such images does not
    count among the groups that an interval needs.

    Args:
        sums: ``(N, M, K)``: for each of M rows of a table, K numbers of each image that add up over
            images.
        statistics: Each from ``(B, K)`` sums to B values; NaN where there is none.
        groups: The group of each image, N names.

    Returns:
        M lists of a value and its interval of each statistic; None without images, or where the
        value is not finite.

    Source:
        Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 (percentile) and 8
        (the unit that is drawn).
    """
    images, rows, width = sums.shape
    if not images or not rows:
        return [[None] * len(statistics) for _ in range(rows)]
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    count = int(index.max()) + 1
    by_group = np.zeros((count, rows, width))
    np.add.at(by_group, index, sums)
    # Numbers may be as large as a float holds; a sum that is not finite has no value.
    with np.errstate(over="ignore", invalid="ignore"):
        drawn = _sums_of_draws(by_group.reshape(count, -1)).reshape(-1, width)
        whole = by_group.sum(axis=0)
        values = [statistic(whole) for statistic in statistics]
        of_draws = [statistic(drawn).reshape(DRAWS, rows) for statistic in statistics]
    known = by_group.any(axis=2).sum(axis=0)
    return [
        [
            _interval(float(value[row]), draws[:, row], int(known[row]))
            for value, draws in zip(values, of_draws, strict=True)
        ]
        for row in range(rows)
    ]


def mean_of(values: Mapping[str, float], groups: Mapping[str, str]) -> Interval | None:
    """Return the mean over images and its interval.

    Args:
        values: Image -> value.
        groups: Image -> group; an image without one is a group of its own.
    """
    return means_of({"": values}, groups)[""]


def means_of(
    columns: Mapping[_Name, Mapping[str, float]], groups: Mapping[str, str]
) -> dict[_Name, Interval | None]:
    """Return the mean over images of each column of a table, and its interval.

    Args:
        columns: Name -> image -> value; an image may lack some.
        groups: Image -> group; an image without one is a group of its own.
    """
    every = dict.fromkeys(image for values in columns.values() for image in values)
    images = {image: place for place, image in enumerate(every)}
    sums = np.zeros((len(images), len(columns), 2))
    for column, values in enumerate(columns.values()):
        places = [images[image] for image in values]
        sums[places, column] = [(value, 1.0) for value in values.values()] or np.empty((0, 2))
    found = bootstrap(sums, [_mean], [groups.get(image, image) for image in images])
    return {name: row[0] for name, row in zip(columns, found, strict=True)}


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.full(len(sums), np.nan)
    np.divide(sums[:, 0], sums[:, 1], out=means, where=sums[:, 1] > 0)
    return means


def _interval(value: float, draws: NDArray[np.float64], groups: int) -> Interval | None:
    if not np.isfinite(value):
        return None
    draws = draws[np.isfinite(draws)]
    if groups < LEAST_GROUPS or len(draws) < DRAWS // 2:
        return Interval(value)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def _sums_of_draws(by_group: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``(DRAWS, K)`` sums of ``(G, K)`` numbers over the groups of each draw."""
    return np.concatenate([taken @ by_group for taken in _draw(len(by_group))])


def _draw(count: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each draw takes each group, ``(B, count)``, in a few parts."""
    random = np.random.default_rng(SEED)
    step = max(1, min(DRAWS, _MOST_CELLS // count))
    for first in range(0, DRAWS, step):
        size = min(step, DRAWS - first)
        picks = random.integers(count, size=(size, count))
        picks += np.arange(size)[:, None] * count
        table = np.bincount(picks.ravel(), minlength=size * count)
        yield table.reshape(size, count).astype(np.float64)
