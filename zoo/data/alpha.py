# SPDX-License-Identifier: Apache-2.0
"""Masks of several channels: which of them holds the mask, the colours or the transparency."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.data.images import decode_image, load_cv2
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.images import DeepImage

__all__ = ["TAKEN", "DecodedMask", "decode_mask"]

TAKEN = "mask taken from its alpha: the rest is one colour"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True, eq=False)
class DecodedMask:
    """The pixels that tell classes.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        is_taken: They are the transparency of the file, whose rest is one colour.
        is_doubtful: They are one colour, with a transparency of another value: beside masks that
            lie in their transparency, this one may mean that value.
    """

    pixels: DeepImage
    is_taken: bool = False
    is_doubtful: bool = False


def decode_mask(
    data: bytes, where: str, *, palette: Literal["colors", "index"] = "colors"
) -> DecodedMask:
    """Return the pixels of a mask, from its transparency where its colours say nothing.

    Tools that erase write a mask of one colour, opaque where the class is. Read by its colour,
    every pixel would be of the class.

    Args:
        data: The whole file.
        where: Its name for messages.
        palette: See :func:`zoo.data.decode_image`.

    Raises:
        DataError: The file cannot be decoded, or hides several values under what is transparent.
    """
    pixels = decode_image(data, where, palette=palette)
    alpha = _read_alpha(data)
    if alpha is None or alpha.shape != pixels.shape[:2]:
        return DecodedMask(pixels)
    colors, seen = pixels.reshape(alpha.size, -1), alpha.ravel()
    is_constant = bool((seen == seen[0]).all())
    if not _is_flat(colors):
        if not is_constant and not _is_flat(colors[seen == 0]):
            raise _hides(where)
        return DecodedMask(pixels)
    if is_constant and (colors[0] == seen[0]).all():
        return DecodedMask(pixels)
    if not is_constant or seen[0] == 0:
        return DecodedMask(alpha, is_taken=True)
    return DecodedMask(pixels, is_doubtful=True)


def _is_flat(colors: NDArray[Any]) -> bool:
    """Return whether ``(N, C)`` pixels are one colour, or none at all."""
    return not colors.size or bool((colors == colors[0]).all())


def _read_alpha(data: bytes) -> NDArray[np.uint8 | np.uint16] | None:
    """Return the transparency of a decodable picture, ``(H, W)``, or None where it has none."""
    if data.startswith(_JPEG):
        return None
    if data.startswith(_PNG):
        return _read_png_alpha(data)
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if "A" not in picture.getbands():
                return None
            import numpy as np

            return np.asarray(picture.getchannel("A"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _read_png_alpha(data: bytes) -> NDArray[np.uint8 | np.uint16] | None:
    import numpy as np

    has_alpha = data[25] in (4, 6) or b"tRNS" in data
    if not has_alpha:
        return None
    cv2 = load_cv2()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return None
    alpha: NDArray[np.uint8 | np.uint16] = stored[..., 3]
    return alpha


def _hides(where: str) -> DataError:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    message = f"cannot read the mask {name!r}: found several values under what is transparent, "
    message += "expected one."
    hint = "export it without transparency, so that what is seen is what is stored."
    return DataError(message, path=where, hint=hint)
