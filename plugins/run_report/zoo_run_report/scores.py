# SPDX-License-Identifier: Apache-2.0
"""Scores of images and classes, from the counts that ``zoo test`` kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo_run_report.intervals import Interval, bootstrap
from zoo_run_report.kept import Counts, background, counts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo import TestValues

__all__ = ["SCORE_THR", "ClassRow", "Scored", "class_rows", "confusion_of", "score_images"]

SCORE_THR = 0.5
"""Least score of an object that counts as predicted and is drawn: that of ``zoo predict``."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One score for each image, by which they are ordered.

    Attributes:
        name: What the score is.
        values: Image -> score.
        is_lower_better: Whether the lowest is the best.
        empty: Images without a score, because they hold nothing and nothing was predicted.
    """

    name: str
    values: Mapping[str, float]
    is_lower_better: bool = False
    empty: int = 0

    def worst_first(self) -> list[str]:
        """Return the images in the order of their scores."""
        sign = -1 if self.is_lower_better else 1
        return sorted(self.values, key=lambda image: (sign * self.values[image], image))


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Scores of one class over all images.

    Attributes:
        name: Of the class.
        count: Its true pixels or objects.
        scores: Name -> interval; None without a result.
    """

    name: str
    count: int
    scores: Mapping[str, Interval | None]


def score_images(test: TestValues) -> Scored | None:
    """Return the scores that order the images, or None if a test has none.

    An image without true and predicted pixels of the classes, or without true and predicted
    objects, has no score, as it has no value of ``zoo.DiceMetric`` and ``zoo.CocoMetric``.

    Args:
        test: As `zoo.read_test` returns it.
    """
    kind = counts_of(test)
    if kind is Counts.NONE:
        return _scored_by_metric(test)
    if kind is Counts.PIXELS:
        shown = _foreground(test.classes)
        name = "mean Dice of the classes that occur, without the background"
        scores = {
            file: _mean_dice(np.array(tally.confusion, np.float64), shown)
            for file, tally in test.tallies.items()
            if tally.confusion
        }
    else:
        name = f"F1 at IoU 0.5, of objects with a score of {SCORE_THR:g} or more"
        scores = {file: _f1(*_object_counts(test, file).sum(axis=0)) for file in test.tallies}
    values = {file: score for file, score in scores.items() if score is not None}
    return Scored(name, values, empty=len(scores) - len(values))


def _scored_by_metric(test: TestValues) -> Scored | None:
    for name, values in test.values.items():
        direction = test.direction(name)
        if direction in ("higher", "lower"):
            told = f"{name}, the {direction} the better"
            return Scored(told, values, is_lower_better=direction == "lower")
    return None


def class_rows(test: TestValues, groups: Mapping[str, str]) -> list[ClassRow]:
    """Return the scores of each class, with intervals.

    Args:
        test: As `zoo.read_test` returns it.
        groups: Image -> group.
    """
    kind = counts_of(test)
    if kind is Counts.NONE:
        return []
    if kind is Counts.PIXELS:
        files = [file for file, tally in test.tallies.items() if tally.confusion]
        tables = np.array([test.tallies[file].confusion for file in files], np.float64)
        right = tables.diagonal(axis1=1, axis2=2)
        sums = np.stack([right, tables.sum(axis=1) - right, tables.sum(axis=2) - right], axis=2)
        kinds = {"Dice": _dice, "IoU": _iou, "precision": _precision, "recall": _recall}
    else:
        files = list(test.tallies)
        sums = np.array([_object_counts(test, file) for file in files], np.float64)
        kinds = {"F1": _dice, "precision": _precision, "recall": _recall}
    found = bootstrap(sums, list(kinds.values()), [groups.get(file, file) for file in files])
    true = (sums[:, :, 0] + sums[:, :, 2]).sum(axis=0)
    return [
        ClassRow(name, int(count), dict(zip(kinds, scores, strict=True)))
        for name, count, scores in zip(test.classes, true, found, strict=True)
    ]


def confusion_of(test: TestValues) -> NDArray[np.int64] | None:
    """Return true classes x predicted classes over all images, or None without counts.

    Of objects, the last row is what is no object, and the last column what was not found.

    Args:
        test: As `zoo.read_test` returns it.
    """
    count, kind = len(test.classes), counts_of(test)
    if kind is Counts.PIXELS:
        tables = [tally.confusion for tally in test.tallies.values() if tally.confusion]
        total: NDArray[np.int64] = np.array(tables, np.int64).sum(axis=0)
        return total
    if kind is Counts.NONE:
        return None
    table = np.zeros((count + 1, count + 1), np.int64)
    for tally in test.tallies.values():
        kept = [each[1] >= SCORE_THR for each in tally.predicted]
        for label, _, place in tally.true:
            is_found = place >= 0 and kept[place]
            table[label, tally.predicted[place][0] if is_found else count] += 1
        for (label, _, place, _), is_kept in zip(tally.predicted, kept, strict=True):
            table[count, label] += is_kept and place < 0
    return table


def _foreground(classes: Sequence[str]) -> list[int]:
    skipped = background(classes)
    shown = [index for index in range(len(classes)) if index not in skipped]
    return shown or list(range(len(classes)))


def _mean_dice(table: NDArray[np.float64], shown: Sequence[int]) -> float | None:
    right, sums = table.diagonal(), table.sum(axis=0) + table.sum(axis=1)
    found = [2 * right[i] / sums[i] for i in shown if sums[i]]
    return float(np.mean(found)) if found else None


def _object_counts(test: TestValues, file: str) -> NDArray[np.float64]:
    """Return ``(C, 3)``: right, false and missed objects of each class in an image."""
    tally = test.tallies[file]
    counts = np.zeros((len(test.classes), 3))
    for label, score, place, _ in tally.predicted:
        if score >= SCORE_THR:
            is_right = place >= 0 and tally.true[place][0] == label
            counts[label, 0 if is_right else 1] += 1
    for label, _, place in tally.true:
        is_found = place >= 0 and tally.predicted[place][1] >= SCORE_THR
        counts[label, 2] += not (is_found and tally.predicted[place][0] == label)
    return counts


def _f1(right: float, wrong: float, missed: float) -> float | None:
    whole = 2 * right + wrong + missed
    return 2 * right / whole if whole else None


def _dice(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(2 * sums[:, 0], 2 * sums[:, 0] + sums[:, 1] + sums[:, 2])


def _iou(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(sums[:, 0], sums.sum(axis=1))


def _precision(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(sums[:, 0], sums[:, 0] + sums[:, 1])


def _recall(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(sums[:, 0], sums[:, 0] + sums[:, 2])


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.full(len(whole), math.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
