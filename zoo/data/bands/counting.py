# SPDX-License-Identifier: Apache-2.0
"""Statistics of bands, image by image, merged exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.bands.table import Band, BandChoice, BandTable
from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.data.bands.reading import BandImage

__all__ = ["BandCount", "count_bands", "make_table"]


@dataclass(frozen=True, slots=True)
class BandCount:
    """The samples with data of one band of some images.

    Args:
        pixels: Number of pixels.
        valid: Number of those with data.
        mean: Their mean.
        squares: Sum of their squared distances from the mean.
        minimum: The least.
        maximum: The largest.
    """

    pixels: int = 0
    valid: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    def joined(self, other: BandCount) -> BandCount:
        """Return the count of both; T. F. Chan et al., 1979, Stanford STAN-CS-79-773.

        Args:
            other: The count of other images.
        """
        valid = self.valid + other.valid
        apart = other.mean - self.mean
        share = other.valid / valid if valid else 0.0
        return BandCount(
            self.pixels + other.pixels,
            valid,
            self.mean + apart * share,
            self.squares + other.squares + apart * apart * self.valid * share,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )


def count_bands(image: BandImage) -> tuple[BandCount, ...]:
    """Return the count of each band of an image.

    Args:
        image: The image.
    """
    import numpy as np

    counts = []
    for number in range(image.samples.shape[2]):
        missing = image.missing[..., number]
        values = image.samples[..., number][~missing].astype(np.float64)
        if not values.size:
            counts.append(BandCount(missing.size))
            continue
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        limits = float(values.min()), float(values.max())
        counts.append(BandCount(missing.size, values.size, mean, squares, *limits))
    return tuple(counts)


def make_table(
    choice: BandChoice, counts: Iterable[Sequence[BandCount]], nodata: Iterable[float]
) -> BandTable:
    """Return the bands of a data set with their statistics.

    Args:
        choice: The bands.
        counts: The counts of each image, equal in order for equal numbers.
        nodata: Values of missing data in the files.

    Raises:
        DataError: A band has no data in any image.
    """
    totals = [BandCount() for _ in choice.names]
    for each in counts:
        totals = [total.joined(one) for total, one in zip(totals, each, strict=True)]
    bands = []
    for name, number, total in zip(choice.names, choice.numbers, totals, strict=True):
        if not total.valid:
            message = f"cannot use the band {name!r}: no training image has data in it."
            raise DataError(message, where="--bands", hint="leave it out of --bands.")
        bands.append(
            Band(
                name,
                number,
                total.mean,
                math.sqrt(total.squares / total.valid),
                total.minimum,
                total.maximum,
                1 - total.valid / total.pixels,
            )
        )
    values = sorted({value for value in nodata if not math.isnan(value)})
    return BandTable(choice.dtype, choice.count, tuple(bands), tuple(values))
