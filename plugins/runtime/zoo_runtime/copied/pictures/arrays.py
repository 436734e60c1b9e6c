# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.arrays, by tools/runtime_copies.py.
"""Arrays as images, and hints for those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_picture", "as_plain", "find_channels", "hint_values"]

_CHANNELS = (1, 3, 4)
_PICTURE_TYPES = (np.uint8, np.uint16)
_MOST_VALUE = 65535


def as_picture(image: NDArray[Any]) -> NDArray[np.uint8 | np.uint16]:
    """Return an array as grey or RGB, without transparency.

    Args:
        image: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8 or uint16.

    Returns:
        ``(H, W)`` or ``(H, W, 3)`` of the same type.

    Raises:
        DataError: It has another shape or type, or no pixels.
    """
    hint = _hint_shape(image) or _hint_type(image)
    if hint is not None:
        message = f"cannot read an array of shape {image.shape} and type {image.dtype}: "
        message += "expected (H, W) or (H, W, 3), uint8 or uint16."
        raise DataError(message, where="an array", hint=hint)
    if image.ndim == 2:
        return image
    return image[..., 0] if image.shape[2] == 1 else image[..., :3]


def as_plain(image: NDArray[Any]) -> NDArray[Any]:
    """Return a plain NumPy array in this machine's byte order.

    Args:
        image: Any shape and type; may be a subclass, such as numpy.ma's, or of another byte order.

    Raises:
        DataError: Some of its pixels are masked.
    """
    masked = int(np.count_nonzero(image.mask)) if isinstance(image, np.ma.MaskedArray) else 0
    if masked:
        message = f"cannot read an array of shape {image.shape} and type {image.dtype}: "
        message += f"{masked} of its values are masked, expected no masked values."
        raise DataError(message, where="an array", hint="fill them: give image.filled(0).")
    plain = np.asarray(image)
    return plain if plain.dtype.isnative else plain.astype(plain.dtype.newbyteorder("="))


def find_channels(shape: tuple[int, ...]) -> str | None:
    """Return where the channels of a picture are: ``first``, ``last``, or None if both may be.

    Args:
        shape: Three lengths: ``(H, W, C)`` or ``(C, H, W)``.
    """
    may_be_first, may_be_last = (shape[axis] in _CHANNELS for axis in (0, 2))
    if may_be_first == may_be_last:
        return None
    return "first" if may_be_first else "last"


def _hint_shape(image: NDArray[Any]) -> str | None:
    """Return how to fix the shape of an array, or None if it is that of a picture."""
    if not image.size:
        return (
            "give an image with pixels: a slice may be outside the array, or a file was not read."
        )
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] in _CHANNELS):
        return None
    if image.ndim == 3 and find_channels(image.shape) == "first":
        return "put the channels last: give image.transpose(1, 2, 0)."
    if image.ndim == 3:
        return "choose the bands of red, green and blue, or one: give image[..., 0]."
    if image.ndim > 3:
        return "one image at a time: give image[0]."
    if image.ndim == 1 and image.dtype == np.uint8:
        return "for an encoded image, give image.tobytes()."
    return "give rows and columns of pixels."


def _hint_type(image: NDArray[Any]) -> str | None:
    """Return how to fix the type of an array, or None if it is that of a picture."""
    if image.dtype in _PICTURE_TYPES:
        return None
    if image.dtype == bool:
        return "black and white are 0 and 255: give image.astype(numpy.uint8) * 255."
    if image.dtype.kind not in "iuf":
        return "give real numbers from 0 to 255."
    low, high = float(image.min()), float(image.max())
    return hint_values(low, high, is_whole=image.dtype.kind != "f", is_tensor=False)


def hint_values(low: float, high: float, *, is_whole: bool, is_tensor: bool) -> str:
    """Return how to convert numbers of another type to those of a picture.

    Args:
        low: The least value, or nan.
        high: The largest value, or nan.
        is_whole: Whether they are integers.
        is_tensor: Whether it is a torch tensor, else a NumPy array.
    """
    library = "torch" if is_tensor else "numpy"
    to_uint8, to_uint16 = (
        f"to(torch.{name})" if is_tensor else f"astype(numpy.{name})"
        for name in ("uint8", "uint16")
    )
    if not np.isfinite([low, high]).all():
        return f"replace values that are not finite: give {library}.nan_to_num(image)."
    if low < 0 or high > _MOST_VALUE:
        span = "(image - image.min()) * (255.0 / (image.max() - image.min()))"
        return f"scale them to 0..255: give ({span}).round().{to_uint8}."
    if not is_whole and high <= 1:
        return f"scale 0..1 to 0..255: give (image * 255).round().{to_uint8}."
    rounded = "image" if is_whole else "image.round()"
    return f"give {rounded}.{to_uint8 if high <= 255 else to_uint16}."
