# SPDX-License-Identifier: Apache-2.0
"""Arrays that stand for pictures: what a caller may hand over instead of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_picture"]


def as_picture(image: NDArray[Any]) -> NDArray[np.uint8 | np.uint16]:
    """Return an array as grey or RGB, its transparency dropped.

    Args:
        image: ``(H, W)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8 or uint16.

    Returns:
        ``(H, W)`` or ``(H, W, 3)`` of the same type.

    Raises:
        DataError: It has another shape or type, or no pixels.
    """
    fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))
    if not fits or not image.size or image.dtype not in (np.uint8, np.uint16):
        message = f"cannot read an array of shape {image.shape} and type {image.dtype}: "
        message += "expected (H, W) or (H, W, 3), uint8 or uint16."
        hint = "scale the values to 0..255, then image.astype(numpy.uint8)."
        raise DataError(message, where="an array", hint=hint)
    return image[..., :3] if image.ndim == 3 else image
