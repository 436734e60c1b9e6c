# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.turning, by tools/runtime_copies.py.
"""Convert stored pixels to upright ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TURNED", "turn_upright"]

# A note for labels whose size does not show whether they match the upright image.
TURNED = "stored rotated or mirrored (EXIF): check with zoo data show that its labels fit"


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate and mirror an image according to its stated orientation.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)`` as stored.
        orientation: Visual position of the stored first row and first column: 1 top and left,
            2 top and right, 3 bottom and right, 4 bottom and left, 5 left and top, 6 right and top,
            7 right and bottom, 8 left and bottom.

    Source:
        TIFF 6.0, page 36; EXIF 2.32, 4.6.4.
    """
    import numpy as np

    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
