# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.opencv, by tools/runtime_copies.py.
"""Decode with OpenCV, for files that it reads correctly according to their header."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from zoo_runtime.copied.decoders.faults import undecodable
from zoo_runtime.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["decode_by_opencv", "load_cv2"]


@functools.cache
def load_cv2() -> Any:
    """Return the module ``cv2``, configured not to print errors that it also raises."""
    try:
        import cv2
    except ImportError as error:
        message = f"cannot read images: {error}."
        hint = "pip install opencv-python (or opencv-python-headless if libGL is missing)."
        raise DataError(message, hint=hint) from error
    if "OPENCV_LOG_LEVEL" not in os.environ:
        module: Any = cv2
        # OpenCV 4.14 moved it.
        (module if hasattr(module, "setLogLevel") else module.utils.logging).setLogLevel(0)
    return cv2


def decode_by_opencv(data: bytes, where: str) -> NDArray[Any]:
    """Return ``(H, W)`` grey or ``(H, W, 3)`` RGB as stored, without orientation.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: OpenCV refuses the file.
    """
    import numpy as np

    cv2 = load_cv2()
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise undecodable(where, f"found data that OpenCV refuses ({error.err})") from error
    if image is None:
        raise undecodable(where, f"found a damaged image of {len(data)} bytes")
    # The same as image[..., ::-1], but many times faster.
    pixels: NDArray[Any] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image
    return pixels
