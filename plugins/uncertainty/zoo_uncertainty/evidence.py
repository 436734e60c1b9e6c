# SPDX-License-Identifier: Apache-2.0
"""What labelled images say about a model: probabilities at pixels, what is missed, and Dice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import IGNORE_INDEX, read_picture
from zoo.errors import DataError
from zoo_uncertainty.dice_estimate import dice_of, expected_dice
from zoo_uncertainty.risk_control import THRESHOLDS, count_missed
from zoo_uncertainty.temperature import logs_of, tempered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data import Prepared, PreparedFile
    from zoo_uncertainty.members import Members

__all__ = ["Evidence", "collect", "dice_errors"]

Progress = Callable[[], None]

_MOST_PIXELS = 20_000  # that are drawn of an image
_MOST_VALUES = 40_000_000  # of all images and classes together
_SEED = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the images of a split say.

    Attributes:
        images: Number of images.
        groups: Number of groups.
        logs: ``(N, C)`` float32, logarithms of the probabilities at pixels drawn at random, with
            a fixed seed, equally many of each image.
        truth: ``(N,)``, their true classes.
        missed: Id of a foreground class -> ``(groups, len(THRESHOLDS))``, the share of its true
            pixels that is below each threshold, of the groups that have such pixels.
    """

    images: int
    groups: int
    logs: NDArray[np.float32]
    truth: NDArray[np.uint8]
    missed: Mapping[int, NDArray[np.float64]]


def collect(
    members: Members,
    prepared: Prepared,
    rows: Sequence[PreparedFile],
    progress: Progress | None = None,
) -> Evidence:
    """Predict images, and return what they say.

    Args:
        members: The models.
        prepared: The folder of the images.
        rows: The images, at least one.
        progress: Called after each image.

    Raises:
        DataError: An image cannot be read, or none has a labelled pixel.
        ConfigError: A model returns no scores.
    """
    classes, generator = len(members.classes), np.random.default_rng(_SEED)
    most = max(1, min(_MOST_PIXELS, _MOST_VALUES // (classes * len(rows))))
    drawn, truths = [], []
    counts: dict[int, dict[str, NDArray[np.int64]]] = {k: {} for k in members.foreground}
    for row in rows:
        shares, truth = _read(members, prepared, row)
        flat, labels = shares.reshape(classes, -1), truth.ravel()
        known = np.flatnonzero(labels != IGNORE_INDEX)
        if len(known) > most:
            known = generator.choice(known, most, replace=False)
        drawn.append(logs_of(flat[:, known].T))
        truths.append(labels[known])
        for index, by_group in counts.items():
            there = labels == index
            if there.any():
                found = count_missed(flat[index, there])
                sums = np.concatenate([found, [there.sum()]])
                by_group[row.group] = by_group.get(row.group, 0) + sums
        if progress is not None:
            progress()
    truth = np.concatenate(truths)
    if not len(truth):
        message = f"cannot calibrate on {len(rows)} images: no pixel of them has a label."
        raise DataError(message, path=prepared.root, hint="give another --split.")
    missed = {index: _shares(list(by_group.values())) for index, by_group in counts.items()}
    groups = len({row.group for row in rows})
    return Evidence(len(rows), groups, np.concatenate(drawn), truth, missed)


def _shares(sums: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    if not sums:
        return np.empty((0, len(THRESHOLDS)))
    table = np.stack(sums).astype(np.float64)
    return table[:, :-1] / table[:, -1:]


def dice_errors(
    members: Members,
    prepared: Prepared,
    rows: Sequence[PreparedFile],
    temperature: float,
    progress: Progress | None = None,
) -> dict[int, list[tuple[str, float]]]:
    """Predict images, and return by how much the Dice of each differs from what was expected.

    Args:
        members: The models.
        prepared: The folder of the images.
        rows: The images.
        temperature: See `zoo_uncertainty.temperature.tempered`.
        progress: Called after each image.

    Returns:
        Id of a foreground class -> group and error of each image in which it is predicted.

    Raises:
        DataError: An image cannot be read.
    """
    errors: dict[int, list[tuple[str, float]]] = {k: [] for k in members.foreground}
    for row in rows:
        shares, truth = _read(members, prepared, row)
        known = truth != IGNORE_INDEX
        calibrated = tempered(logs_of(shares), temperature, axis=0)[:, known]
        labels, true = calibrated.argmax(axis=0), truth[known]
        for index, found in errors.items():
            predicted = labels == index
            expected = expected_dice(calibrated[index], predicted)
            actual = dice_of(predicted, true == index)
            if expected is not None and actual is not None:
                found.append((row.group, actual - expected))
        if progress is not None:
            progress()
    return errors


def _read(
    members: Members, prepared: Prepared, row: PreparedFile
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the probabilities of an image, and its labels."""
    truth = read_picture(prepared.mask_path(row.stem)).pixels
    shares = members.probabilities(prepared.root / "images" / row.image_name)
    if shares.shape[1:] != truth.shape:
        message = f"cannot compare the mask of {row.stem!r}: it is {truth.shape[1]}x"
        message += f"{truth.shape[0]} px, the image {shares.shape[2]}x{shares.shape[1]}."
        raise DataError(message, path=prepared.mask_path(row.stem), hint="run zoo data check.")
    return shares, truth
