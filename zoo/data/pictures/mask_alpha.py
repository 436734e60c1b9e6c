# SPDX-License-Identifier: Apache-2.0
"""Masks with several channels: decide whether colours or transparency hold the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.data.pictures.alpha import read_alpha
from zoo.data.pictures.pixels import decode_image
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data.pictures.pixels import DeepImage

__all__ = ["TAKEN", "DecodedMask", "decode_mask"]

TAKEN = "mask taken from its alpha: the rest is one colour"


@dataclass(frozen=True, slots=True, eq=False)
class DecodedMask:
    """The pixels that encode classes.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        is_taken: Whether they are the transparency of a file with a single colour.
        is_doubtful: Whether they are one colour with another value as transparency. If other masks
            are in the transparency, this one may be too.
    """

    pixels: DeepImage
    is_taken: bool = False
    is_doubtful: bool = False


def decode_mask(
    data: bytes, where: str, *, palette: Literal["colors", "index"] = "colors"
) -> DecodedMask:
    """Return the pixels of a mask, from its transparency if it has a single colour.

    Tools with an eraser write a mask of one colour that is opaque inside the class. Read by
    colour, every pixel would belong to the class.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        palette: See :func:`zoo.data.decode_image`.

    Raises:
        DataError: The file cannot be decoded, has more than four bands, or has several values under
            transparent pixels.
    """
    pixels = decode_image(data, where, palette=palette)
    alpha = read_alpha(data, where)
    if alpha is None:
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
    """Return whether ``(N, C)`` pixels have one colour, or are empty."""
    return not colors.size or bool((colors == colors[0]).all())


def _hides(where: str) -> DataError:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    message = f"cannot read the mask {name!r}: found several values under transparent pixels, "
    message += "expected one."
    hint = "export it without transparency, so that the visible values are the stored ones."
    return DataError(message, path=where, hint=hint)
