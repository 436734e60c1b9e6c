# SPDX-License-Identifier: Apache-2.0
"""Bands as a picture for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.data.bands.table import COLORS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["show_bands"]

_SPREAD = 2.0  # standard deviations on either side of the mean


def show_bands(
    samples: NDArray[Any], names: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.uint8]:
    """Return the bands named red, green and blue, else the first three, stretched to 8 bits.

    Each is stretched from two standard deviations below its mean to two above, so that all images
    of a data set, and all parts of one, are shown alike. Of fewer than three bands, the first is
    shown as grey. Values that are not finite become 0.

    Args:
        samples: ``(H, W, n)``.
        names: Name of each band.
        mean: Mean of each band.
        std: Standard deviation of each band.

    Returns:
        ``(H, W, 3)`` RGB, or ``(H, W)`` grey.
    """
    import numpy as np

    places = [names.index(color) for color in COLORS if color in names]
    if len(places) < len(COLORS):
        places = [0, 1, 2] if len(names) >= len(COLORS) else [0]
    picture = samples[..., places].astype(np.float32)
    low = np.array([mean[place] - _SPREAD * std[place] for place in places], np.float32)
    span = np.array([2 * _SPREAD * (std[place] or 1.0) for place in places], np.float32)
    stretched = np.nan_to_num((picture - low) / span * 255, nan=0.0, posinf=0.0, neginf=0.0)
    pixels = np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., 0] if len(places) == 1 else pixels)
