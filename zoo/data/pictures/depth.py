# SPDX-License-Identifier: Apache-2.0
"""From 16 bits to 8: one rule for prepare and predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["find_limits", "limits_of_counts", "to_uint8"]

_LOW, _HIGH = 0.001, 0.999


def find_limits(image: NDArray[np.uint8 | np.uint16]) -> tuple[int, int]:
    """Return the values below which 0.1 % and 99.9 % of a picture's samples lie.

    Args:
        image: Any shape, uint16; all channels count together, so that colours keep their balance.
    """
    import numpy as np

    return limits_of_counts(np.bincount(image.ravel(), minlength=2**16))


def limits_of_counts(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Return the same of how often each value is there; of nothing, the whole range.

    Args:
        counts: ``(65536,)``.
    """
    import numpy as np

    share = np.cumsum(counts) / max(int(counts.sum()), 1)
    return int(np.searchsorted(share, _LOW)), int(np.searchsorted(share, _HIGH))


def to_uint8(
    image: NDArray[np.uint8 | np.uint16], limits: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Return 8-bit pixels: 8-bit input as it is, 16-bit input stretched between its limits.

    Of a 16-bit picture, the limits become 0 and 255; between them it is linear, rounded to the
    nearest, and beyond them cut. A constant picture becomes 0.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        limits: Of the whole picture where ``image`` is a part of one, else its own
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
