# SPDX-License-Identifier: Apache-2.0
"""From the values or colours of a mask to the ids of its classes; nothing is guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from zoo.data import Pair
from zoo.errors import DataError
from zoo_folder_data.classes import ClassList, format_color, unpack_color

__all__ = ["MaskEncoder", "pack_colors", "survey_masks"]

Mask = NDArray[np.uint8 | np.uint16]

_UNLISTED = -1
_MOST_NAMED = 8


def pack_colors(mask: Mask) -> NDArray[np.uint32]:
    """Return ``(H, W)`` packed colours of a ``(H, W, 3)`` RGB or ``(H, W)`` grey 8-bit mask."""
    if mask.ndim == 2:
        return mask.astype(np.uint32) * np.uint32(0x010101)
    red, green, blue = (mask[..., channel].astype(np.uint32) for channel in range(3))
    return red << np.uint32(16) | green << np.uint32(8) | blue


class MaskEncoder:
    """Turns decoded masks into ids; holds nothing but a table, so threads may share it.

    Args:
        classes: What values or colours mean.
    """

    def __init__(self, classes: ClassList) -> None:
        self.classes = classes
        self._table = np.full(2**24 if classes.by_color else 2**16, _UNLISTED, np.int16)
        for key, index in classes.ids.items():
            self._table[key] = index

    def __call__(self, masks: list[Mask], pair: Pair) -> tuple[NDArray[np.uint8], list[str]]:
        """Return ``(H, W)`` uint8 ids, 255 where ignored, and what was repaired.

        Args:
            masks: The one mask of the pair, ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
            pair: Names the file.

        Raises:
            DataError: The mask holds what no class lists, or colours where values are listed.
        """
        name = pair.masks[0]
        keys, repairs = self._read_keys(masks[0], name)
        ids = self._table[keys]
        unlisted = ids == _UNLISTED
        if unlisted.any():
            raise self._unlisted(keys[unlisted], name)
        return ids.astype(np.uint8), repairs

    def _read_keys(self, mask: Mask, name: str) -> tuple[NDArray[np.generic], list[str]]:
        if self.classes.by_color:
            if mask.dtype != np.uint8:
                message = f"cannot read the mask {name!r}: found 16-bit colours, expected 8-bit."
                raise DataError(message, hint="export the mask as 8-bit RGB.")
            return pack_colors(mask), []
        if mask.ndim == 2:
            return mask, []
        if (mask == mask[..., :1]).all():
            return mask[..., 0], ["colour mask of equal channels read as grey"]
        message = f"cannot read the mask {name!r}: found colours, expected one value a pixel."
        raise DataError(message, hint="give every class a color and none a value, or export grey.")

    def _unlisted(self, keys: NDArray[np.generic], name: str) -> DataError:
        values, counts = np.unique(keys, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
        found = ", ".join(
            f"{self.classes.spell(int(values[i]))} ({int(counts[i])} px)" for i in order
        )
        more = f" and {len(values) - len(order)} more" if len(values) > len(order) else ""
        listed = ", ".join(self.classes.spell(key) for key in sorted(self.classes.ids)[:20])
        what = "colours" if self.classes.by_color else "values"
        message = (
            f"cannot read the mask {name!r}: found {what} that no class lists: {found}{more}; "
            f"expected {listed}."
        )
        hint = "list them in the file of classes, as a class or under ignore."
        if PurePosixPath(name).suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif"):
            hint = "JPEG blurs masks: export them as PNG."
        return DataError(message, hint=hint)


def survey_masks(masks: Sequence[Mask]) -> list[str]:
    """Return what the masks hold, spelt as a file of classes spells it, the most frequent first.

    Args:
        masks: If one of them is coloured, all count by colour.
    """
    by_color = any(mask.ndim == 3 and not (mask == mask[..., :1]).all() for mask in masks)
    counts: Counter[int] = Counter()
    for mask in masks:
        grey = mask if mask.ndim == 2 else mask[..., 0]
        found, times = np.unique(pack_colors(mask) if by_color else grey, return_counts=True)
        counts.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
    keys = [key for key, _ in counts.most_common()]
    return [format_color(unpack_color(key)) if by_color else str(key) for key in keys]
