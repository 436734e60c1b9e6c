# SPDX-License-Identifier: Apache-2.0
"""What is known of the prediction of one image without its labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_uncertainty.appearance import Appearances, describe
from zoo_uncertainty.dice_estimate import expected_dice
from zoo_uncertainty.temperature import logs_of, tempered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data import Picture
    from zoo_uncertainty.calibration_file import Calibration
    from zoo_uncertainty.members import Members

__all__ = ["UNLIKE", "Assessment", "assess"]

UNLIKE = 0.05
"""The p-value at or below which an image is called unlike the training images."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of one image.

    Attributes:
        path: The image.
        picture: Its pixels as the model reads them.
        entropy: ``(H, W)`` float32, of the calibrated probabilities, in ``[0, 1]``: 1 where all
            classes are equally probable.
        uncertainty: Mean of ``entropy``.
        dice: Foreground class -> expected Dice; None where it is not predicted.
        intervals: Foreground class -> lower and upper end; None without a width, or a Dice.
        appearance: ``(F,)``, see `zoo_uncertainty.appearance.describe`.
        unlikeness: Distance to the nearest training image; None if these are unknown.
        p_like: Its p-value; None if they are unknown.
    """

    path: Path
    picture: Picture
    entropy: NDArray[np.float32]
    uncertainty: float
    dice: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    appearance: NDArray[np.float64]
    unlikeness: float | None
    p_like: float | None

    @property
    def is_unlike(self) -> bool | None:
        """Whether it is unlike the training images; None if these are unknown."""
        return None if self.p_like is None else self.p_like <= UNLIKE

    @property
    def least_dice(self) -> float | None:
        """The lowest expected Dice of the predicted classes; None if none is."""
        return min((each for each in self.dice.values() if each is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the maps."""
        return {
            "file": str(self.path),
            "uncertainty": round(self.uncertainty, 6),
            "classes": [
                {"name": name, "expected_dice": _rounded(dice), "interval": self._interval(name)}
                for name, dice in self.dice.items()
            ],
            "unlikeness": _rounded(self.unlikeness),
            "p_like": _rounded(self.p_like),
            "unlike": self.is_unlike,
        }

    def _interval(self, name: str) -> list[float] | None:
        found = self.intervals[name]
        return None if found is None else [round(end, 6) for end in found]


def assess(
    members: Members,
    calibration: Calibration | None,
    training: Appearances | None,
    path: Path,
) -> Assessment:
    """Return what is known of the prediction of an image.

    Args:
        members: The models.
        calibration: Theirs, or None for their own probabilities and no intervals.
        training: Appearances of the training images, or None if they are unknown.
        path: The image.

    Raises:
        DataError: The image cannot be read, or a model fails on it.
    """
    temperature = 1.0 if calibration is None else calibration.temperature
    shares = tempered(logs_of(members.probabilities(path)), temperature, axis=0)
    labels = shares.argmax(axis=0)
    widths = {} if calibration is None else {c.name: c.dice_width for c in calibration.classes}
    dice = {
        members.classes[index]: expected_dice(shares[index], labels == index)
        for index in members.foreground
    }
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=0) / math.log(len(shares))
    picture = members.picture(path)
    appearance = describe(picture)
    unlikeness, p_like = (None, None) if training is None else training.unlikeness(appearance)
    return Assessment(
        path=path,
        picture=picture,
        entropy=entropy.astype(np.float32),
        uncertainty=float(entropy.mean(dtype=np.float64)),
        dice=dice,
        intervals={name: _around(value, widths.get(name)) for name, value in dice.items()},
        appearance=appearance,
        unlikeness=unlikeness,
        p_like=p_like,
    )


def _around(value: float | None, width: float | None) -> tuple[float, float] | None:
    if value is None or width is None:
        return None
    return max(0.0, value - width), min(1.0, value + width)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
