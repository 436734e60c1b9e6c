# SPDX-License-Identifier: Apache-2.0
"""Convert the values or colours of masks to class ids, as ``classes.toml`` says."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from zoo.data import IGNORE_INDEX, Pair
from zoo.errors import DataError
from zoo_folder_data.classes import ClassList
from zoo_folder_data.survey import Mask, deep_colors, pack_colors
from zoo_folder_data.value_ranges import MOST_VALUE, Span, spell_span

__all__ = ["MaskEncoder"]

_UNLISTED = -1
_MOST_NAMED = 8
_MOST_8_BITS = 255
_IGNORED = "pixels that no class lists are ignored"
_NEAREST = "pixels that no class lists got the nearest class"


class MaskEncoder:
    """Convert decoded masks to ids; threads may share it, as it only holds a table.

    Args:
        classes: The classes and their values or colours.
    """

    def __init__(self, classes: ClassList) -> None:
        self.classes = classes
        self._table = np.full(2**24 if classes.by_color else 2**16, _UNLISTED, np.int16)
        for (low, high), index in classes.spans:
            self._table[low : high + 1] = index

    def __call__(self, masks: list[Mask], pair: Pair) -> tuple[NDArray[np.uint8], list[str]]:
        """Return ``(H, W)`` uint8 ids, 255 for ignored pixels, and a list of repairs.

        Args:
            masks: The mask of the pair, ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
            pair: The pair, for messages.

        Raises:
            DataError: The mask holds a value or colour that no class lists, or colours while the
                classes list values.
        """
        name = pair.masks[0]
        keys, repairs = self._read_keys(masks[0], name)
        ids = self._table[keys]
        unlisted = ids == _UNLISTED
        if unlisted.any():
            strange, places = np.unique(keys[unlisted].astype(np.int64), return_inverse=True)
            if self.classes.unlisted == "refuse":
                raise self._unlisted(strange, np.bincount(places), name)
            if self.classes.unlisted == "ignore":
                ids[unlisted] = IGNORE_INDEX
                repairs = [*repairs, _IGNORED]
            else:
                ids[unlisted] = self._find_nearest(strange)[places]
                repairs = [*repairs, _NEAREST]
        return ids.astype(np.uint8), repairs

    def _find_nearest(self, keys: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the id of the nearest value or colour; of two equally near, the lower."""
        ends = [(end, index) for span, index in self.classes.spans for end in span]
        known, ids = (np.array(column, np.int64) for column in zip(*ends, strict=True))
        split = _split_colors if self.classes.by_color else _as_column
        known, keys = split(known), split(keys)
        nearest = [((known - key) ** 2).sum(axis=1).argmin() for key in keys]
        return np.asarray(ids[nearest], np.int16)

    def _read_keys(self, mask: Mask, name: str) -> tuple[NDArray[np.generic], list[str]]:
        if self.classes.by_color:
            if mask.dtype != np.uint8:
                raise deep_colors(name)
            return pack_colors(mask), []
        if mask.ndim == 2:
            return mask, []
        if (mask == mask[..., :1]).all():
            return mask[..., 0], ["colour mask of equal channels read as grey"]
        message = f"cannot read the mask {name!r}: found colours, expected one value per pixel."
        raise DataError(message, hint="give every class a color and none a value, or export grey.")

    def _unlisted(self, keys: NDArray[np.int64], counts: NDArray[np.intp], name: str) -> DataError:
        order = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
        found = ", ".join(
            f"{self.classes.spell(int(keys[i]))} ({int(counts[i])} px)" for i in order
        )
        more = f" and {len(keys) - len(order)} more" if len(keys) > len(order) else ""
        listed = ", ".join(self.classes.spell_span(span) for span, _ in self.classes.spans[:20])
        what = "colours" if self.classes.by_color else "values"
        message = (
            f"cannot read the mask {name!r}: found {what} that no class lists: {found}{more}; "
            f"expected {listed}."
        )
        hint = "list them in the file of classes, as a class or under ignore."
        if PurePosixPath(name).suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif"):
            hint = "JPEG blurs masks: export them as PNG."
        gaps = self._find_gaps(keys)
        if gaps:
            shown = ", ".join(f'"{spell_span(gap)}"' for gap in gaps[:_MOST_NAMED])
            hint = f"{shown} belongs to no class: extend a range to it, or list it under ignore."
        elif len(keys) > len(order):
            hint = self._hint_on_blur()
        return DataError(message, hint=hint)

    def _find_gaps(self, keys: NDArray[np.int64]) -> list[Span]:
        """Return the gaps between the ranges of ``classes.toml`` that masks have values in."""
        spans = [span for span, _ in self.classes.spans]
        if self.classes.by_color or all(low == high for low, high in spans):
            return []
        most = MOST_VALUE if int(keys.max()) > _MOST_8_BITS else _MOST_8_BITS
        ends = [-1, *(min(end, most + 1) for span in spans for end in span), most + 1]
        gaps = [(low + 1, high - 1) for low, high in zip(ends[::2], ends[1::2], strict=True)]
        return [gap for gap in gaps if ((keys >= gap[0]) & (keys <= gap[1])).any()]

    def _hint_on_blur(self) -> str:
        """Return a hint for masks with many values, which are blurred rather than drawn."""
        if self.classes.by_color:
            return (
                "export the masks without anti-aliasing and JPEG, or put "
                'unlisted = "nearest" at the top of the file of classes.'
            )
        return (
            'give each class the range of its greys, as values = "0-127" and values = "128-255", '
            "or export the masks without anti-aliasing and JPEG."
        )


def _split_colors(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([keys >> 16, keys >> 8 & 255, keys & 255], axis=1)


def _as_column(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return keys[:, None]
