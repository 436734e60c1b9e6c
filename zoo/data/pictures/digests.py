# SPDX-License-Identifier: Apache-2.0
"""The sha256 of images and of the sources of a prepared folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.data.pictures.pixels import Image

__all__ = ["digest_bytes", "digest_pixels", "digest_sources"]


def digest_bytes(data: bytes) -> str:
    """Return the sha256 in hex digits.

    Args:
        data: Any bytes.
    """
    return hashlib.sha256(data).hexdigest()


def digest_pixels(image: Image) -> str:
    """Return the sha256 of shape and pixels, independent of the PNG encoder.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8; or bands as stored, ``(H, W, n)``.
    """
    shape = "x".join(str(side) for side in image.shape)
    return hashlib.sha256(f"{shape}\n".encode() + image.tobytes()).hexdigest()


def digest_sources(contents: Sequence[bytes]) -> str:
    """Return one sha256 for the files of a pair, image first.

    Args:
        contents: Bytes of each file.
    """
    parts = b"".join(hashlib.sha256(content).digest() for content in contents)
    return hashlib.sha256(parts).hexdigest()
