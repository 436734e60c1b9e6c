# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.prediction.given, by tools/runtime_copies.py.
"""The images that a caller can pass: a path, an array, or Python's picture objects."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.copied.pictures.arrays import as_picture, as_plain, find_channels, hint_values
from zoo_runtime.decoding import BandChoice, decode_picture
from zoo_runtime.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

__all__ = ["describe", "take_image"]

_EXPECTED = "expected a path, an array, a tensor, a PIL image, or the bytes of an image file"
# Modes of PIL whose samples are used as they are; PIL converts others to RGB, without blending.
_PLAIN_MODES = {"L", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "I;16N"}
_NUMBER_MODES = {"I", "F"}


def take_image(image: Any, *, bands: BandChoice = None) -> tuple[str | NDArray[Any], bool]:
    """Return an image as a path or an array, and whether it was given as another kind of picture.

    Args:
        image: A path; an array; a tensor of torch, ``(H, W, C)`` or ``(C, H, W)``, uint8 or uint16;
            an image of PIL; the bytes of a picture's file, or an open file.
        bands: For bytes, see :func:`zoo.data.pictures.decoding.decode_picture`.

    Returns:
        A path or an array unchanged; anything else as a picture, ``(H, W)`` or ``(H, W, 3)`` RGB.

    Raises:
        DataError: It is none of these, or not a picture.
    """
    if isinstance(image, (str, os.PathLike)):
        return _take_path(image), False
    if isinstance(image, np.ndarray):
        return as_plain(image), False
    if isinstance(image, memoryview) and image.ndim != 1:
        return as_plain(np.asarray(image)), False
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _decode(bytes(image), "bytes", bands), True
    if _is_of("torch", "Tensor", image):
        return as_picture(_take_tensor(image)), True
    if _is_of("PIL.Image", "Image", image):
        return as_picture(_take_pil(image)), True
    if hasattr(image, "read"):
        return _decode(_read_stream(image), "a file", bands), True
    array = _convert(image)
    if array is None:
        raise _refuse(image)
    return as_plain(array), False


def _decode(data: bytes, where: str, bands: BandChoice) -> NDArray[Any]:
    picture = decode_picture(data, where, bands=bands)
    # An array cannot say which of its pixels are missing, and missing ones must not be stretched.
    return picture.pixels if picture.is_there is None else picture.to_uint8()


def describe(value: Any) -> str:
    """Return a description of a value for a message.

    Args:
        value: Anything.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return f"{value!r:.60}"
    if isinstance(value, (list, tuple, set, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of the type {type(value).__name__}"


def _is_of(module: str, name: str, value: object) -> bool:
    """Return whether a value is of a class, without importing the class's module."""
    found = sys.modules.get(module)
    return found is not None and isinstance(value, getattr(found, name))


def _take_path(image: str | os.PathLike[str]) -> str:
    path = os.fspath(image)
    if not isinstance(path, str) or not path or "\0" in path:
        message = f"cannot read {path!r:.60}: expected the path of a file."
        raise DataError(message, where="a path", hint="give the path of an image as text.")
    return path


def _convert(image: Any) -> NDArray[Any] | None:
    """Return another library's array as NumPy's; None for anything else, or if it refuses."""
    if not hasattr(image, "__array__"):
        return None
    try:
        return np.asarray(image)
    except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
        return None  # as arrays on a GPU do


def _take_tensor(tensor: Tensor) -> NDArray[Any]:
    import torch

    hint = _hint_layout(tensor)
    if hint is None and tensor.dtype not in (torch.uint8, torch.uint16):
        hint = _hint_type(tensor.detach())
    if hint is not None:
        message = f"cannot read a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}: "
        message += "expected (H, W, 3), (3, H, W) or (H, W), uint8 or uint16."
        raise DataError(message, where="a tensor", hint=hint)
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    is_first = array.ndim == 3 and find_channels(array.shape) == "first"
    return array.transpose(1, 2, 0) if is_first else array


def _hint_layout(tensor: Tensor) -> str | None:
    """Return how to fix the shape of a tensor, or None if it is that of a picture."""
    import torch

    if tensor.device.type == "meta" or tensor.is_complex():
        return "give real numbers from 0 to 255, without masked values."
    if tensor.layout is not torch.strided:
        return "give image.to_dense()."
    if not tensor.numel():
        return "give an image with pixels."
    if tensor.ndim > 3:
        return "one image at a time: give image[0]."
    if tensor.ndim == 3 and find_channels(tuple(tensor.shape)) is None:
        if {tensor.shape[0], tensor.shape[2]} & {1, 3, 4}:
            return "the channels of an array are always last: give image.numpy()."
        return "choose the bands of red, green and blue, or one: give image[0]."
    return None


def _hint_type(tensor: Tensor) -> str:
    """Return how to fix the type of a tensor."""
    import torch

    if tensor.dtype is torch.bool:
        return "black and white are 0 and 255: give image.to(torch.uint8) * 255."
    values = tensor.double()
    low, high = float(values.min()), float(values.max())
    is_whole = not tensor.dtype.is_floating_point
    return hint_values(low, high, is_whole=is_whole, is_tensor=True)


def _take_pil(image: Image) -> NDArray[Any]:
    from PIL import Image as pil
    from PIL import ImageOps

    try:
        seen = ImageOps.exif_transpose(image)
        if seen.mode in {"1", "LA", "La"}:
            seen = seen.convert("L")
        elif seen.mode not in _PLAIN_MODES | _NUMBER_MODES:
            seen = seen.convert("RGB")
        pixels = as_plain(np.asarray(seen))
    except (OSError, ValueError, SyntaxError, pil.DecompressionBombError) as error:
        message = f"cannot read a PIL image of mode {image.mode} and size {image.size}: {error}."
        raise DataError(message, where="a PIL image", hint="give it as RGB, intact.") from error
    is_deep = seen.mode == "I" and pixels.size and 0 <= pixels.min() <= pixels.max() <= 65535
    return pixels.astype(np.uint16) if is_deep else pixels


def _read_stream(stream: Any) -> bytes:
    """Return all bytes of a file-like object from its beginning, and leave it where it was."""
    try:
        if stream.seekable():
            place = stream.tell()
            stream.seek(0)
            data = stream.read()
            stream.seek(place)
        else:
            data = stream.read()
    except (OSError, ValueError, AttributeError, TypeError) as error:
        message = f"cannot read {describe(stream)}: it returns no bytes."
        raise DataError(message, where="a file", hint="open it with open(path, 'rb').") from error
    if not isinstance(data, bytes):
        message = f"cannot read {describe(stream)}: it gives {type(data).__name__}, expected bytes."
        raise DataError(message, where="a file", hint="open it with open(path, 'rb').")
    return data


def _refuse(image: Any) -> DataError:
    message = f"cannot read {describe(image)} as an image: {_EXPECTED}."
    hint = "give the path of the image."
    if image is None:
        hint = "check that the image was read: cv2.imread returns None for a file it cannot open."
    elif isinstance(image, (list, tuple)):
        hint = "give one image at a time: call the predictor with each."
        found = _as_numbers(image)
        if found is not None:
            message = f"cannot read a {type(image).__name__} of shape {found.shape} and type "
            message += f"{found.dtype} as an image: {_EXPECTED}."
            is_byte = found.dtype.kind in "iu" and 0 <= found.min() <= found.max() <= 255
            hint = f"give numpy.array(image{', numpy.uint8' if is_byte else ''})."
    return DataError(message, where="what was given", hint=hint)


def _as_numbers(values: Any) -> NDArray[Any] | None:
    """Return nested numbers as an array, or None for anything else."""
    try:
        found = np.array(values)
    except (ValueError, TypeError, RuntimeError):
        return None
    fits = found.dtype.kind in "biuf" and found.ndim in (2, 3) and found.size
    return found if fits else None
