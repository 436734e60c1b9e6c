# SPDX-License-Identifier: Apache-2.0
"""What a picture looks like in a few numbers, and how unlike the training images it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import resize_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data import Picture

__all__ = ["Appearances", "describe", "distances"]

_SIDE_PX = 64
_CELLS = 4
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LEAST_SPREAD = 1e-3  # of values in [0, 1]: less is no difference to be seen


def describe(picture: Picture) -> NDArray[np.float64]:
    """Return the appearance of a picture, ``(F,)``, values of the order of 1.

    The picture is resized to 64x64 px. The values are quantiles and spread of its brightness, the
    brightness of 4x4 cells, mean and spread of red less green and of blue less green, and the mean
    difference of neighbouring pixels at three scales. They see exposure, framing, colour and
    sharpness of the whole, and no small thing in it.

    Args:
        picture: As `zoo.data.read_picture` returns it.
    """
    small = resize_image(picture.to_uint8(), (_SIDE_PX, _SIDE_PX)).astype(np.float64) / 255
    colors = np.repeat(small[..., None], 3, axis=2) if small.ndim == 2 else small
    bright = colors.mean(axis=2)
    tints = [colors[..., 0] - colors[..., 1], colors[..., 2] - colors[..., 1]]
    steps = []
    for size in (64, 32, 16):
        scaled = _pooled(bright, size)
        steps += [np.abs(np.diff(scaled, axis=axis)).mean() for axis in (0, 1)]
    return np.concatenate(
        [
            np.quantile(bright, _QUANTILES),
            [bright.std(), *(tint.mean() for tint in tints), *(tint.std() for tint in tints)],
            _pooled(bright, _CELLS).ravel(),
            np.asarray(steps),
        ]
    )


def _pooled(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    side = len(values) // size
    pooled: NDArray[np.float64] = values.reshape(size, side, size, side).mean(axis=(1, 3))
    return pooled


def distances(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean squared difference of each pair, ``(N, M)``.

    Args:
        one: ``(N, F)``.
        others: ``(M, F)``.
    """
    # Row by row: all differences at once would take gigabytes.
    return np.stack([np.sqrt(((others - row) ** 2).mean(axis=1)) for row in one])


@dataclass(frozen=True, slots=True)
class Appearances:
    """The appearances of a training set.

    Attributes:
        mean: ``(F,)``.
        spread: ``(F,)``, standard deviations.
        scaled: ``(N, F)``, less the mean, divided by the spread.
        apart: ``(N,)``, sorted distances of each training image to the nearest of another group.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    scaled: NDArray[np.float64]
    apart: NDArray[np.float64]

    @classmethod
    def of(cls, described: NDArray[np.float64], groups: Sequence[str]) -> Appearances | None:
        """Return those of training images, or None if they are of a single group.

        Args:
            described: ``(N, F)``, as `describe` returns each.
            groups: Group of each.
        """
        if len(set(groups)) < 2:
            return None
        mean = described.mean(axis=0)
        spread = np.maximum(described.std(axis=0), _LEAST_SPREAD)
        scaled = (described - mean) / spread
        names = np.asarray(groups)
        between: Any = distances(scaled, scaled)
        between[names[:, None] == names[None, :]] = np.inf
        return cls(mean, spread, scaled, np.sort(between.min(axis=1)))

    def scale(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an appearance in spreads of the training set.

        Args:
            described: ``(F,)``.
        """
        scaled: NDArray[np.float64] = (described - self.mean) / self.spread
        return scaled

    def unlikeness(self, described: NDArray[np.float64]) -> tuple[float, float]:
        """Return the distance to the nearest training image, and how usual so large a one is.

        Args:
            described: ``(F,)``.

        Returns:
            The distance, in spreads; and ``(1 + k) / (1 + n)``, where k of the n training images
            are at least as far from all of other groups: a conformal p-value.
        """
        distance = float(distances(self.scale(described)[None], self.scaled).min())
        as_far = len(self.apart) - int(np.searchsorted(self.apart, distance, side="left"))
        return distance, (1 + as_far) / (1 + len(self.apart))
