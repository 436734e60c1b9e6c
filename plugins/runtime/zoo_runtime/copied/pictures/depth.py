# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.depth, by tools/runtime_copies.py.
"""Convert 16-bit images to 8 bits, by the same rule in prepare and predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["find_limits", "limits_of_counts", "to_uint8"]

_LOW, _HIGH = 0.001, 0.999


def find_limits(image: NDArray[np.uint8 | np.uint16]) -> tuple[int, int]:
    """Return the 0.1 % and 99.9 % quantiles of the samples of an image.

    Args:
        image: uint16 array of any shape; all channels count together to keep the colour balance.
    """
    import numpy as np

    return limits_of_counts(np.bincount(image.ravel(), minlength=2**16))


def limits_of_counts(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Return the same limits from a histogram; the full range for an empty one.

    Args:
        counts: ``(65536,)``, count of each value.
    """
    import numpy as np

    share = np.cumsum(counts) / max(int(counts.sum()), 1)
    return int(np.searchsorted(share, _LOW)), int(np.searchsorted(share, _HIGH))


def to_uint8(
    image: NDArray[np.uint8 | np.uint16], limits: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Return 8-bit pixels: 8-bit input unchanged, 16-bit input stretched between its limits.

    The limits of a 16-bit image map to 0 and 255, linearly with rounding to nearest; values beyond
    are clipped. A constant image becomes 0.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        limits: Limits of the whole image if ``image`` is a part of it; by default its own
            (:func:`find_limits`).

    Returns:
        The same shape, uint8.
    """
    import numpy as np

    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    low, high = limits or find_limits(image)
    values = (np.arange(2**16, dtype=np.float64) - low) * (255 / max(high - low, 1))
    table = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    stretched: NDArray[np.uint8] = table[image]
    return stretched
