# SPDX-License-Identifier: Apache-2.0
"""Count the values or colours of masks, and whether each fills regions.

A pixel is *inner* if all of its eight neighbours have its value. Classes have inner pixels; blends
from anti-aliasing and JPEG at the edges of regions have almost none, which distinguishes a blurred
mask from a mask of many classes. A grey pixel is *between* if it has a darker and a lighter
neighbour, like blends of two classes and unlike thin lines of a class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import Pair, Source, decode_mask
from zoo.errors import DataError
from zoo_folder_data.classes import format_color, unpack_color

__all__ = ["Mask", "Survey", "deep_colors", "pack_colors", "survey_masks", "survey_source"]

Mask = NDArray[np.uint8 | np.uint16]

_NOISE = 24  # of 255 per channel: noise of JPEG inside a region
_MOST_MASKS, _MOST_PX = 2000, 400_000_000


def pack_colors(mask: Mask) -> NDArray[np.uint32]:
    """Return ``(H, W)`` packed colours of an 8-bit mask.

    Args:
        mask: ``(H, W, 3)`` RGB or ``(H, W)`` grey.
    """
    if mask.ndim == 2:
        return mask.astype(np.uint32) * np.uint32(0x010101)
    red, green, blue = (mask[..., channel].astype(np.uint32) for channel in range(3))
    return red << np.uint32(16) | green << np.uint32(8) | blue


@dataclass(slots=True)
class Survey:
    """Counts over masks.

    Args:
        seen: Number of masks counted.
        total: Number of all masks.
        by_color: Whether a mask is coloured, so that all count by packed colours.
        pixels: Number of pixels of each value or packed colour.
        inner: Number of inner pixels of each.
        masks: Number of masks that hold each.
        between: Number of pixels between, for grey masks.
        coarse: The same for colours rounded to 16 levels per channel, for coloured masks; here,
            inner pixels may differ slightly from their neighbours, because of JPEG noise.
    """

    seen: int = 0
    total: int = 0
    by_color: bool = False
    pixels: Counter[int] = field(default_factory=Counter)
    inner: Counter[int] = field(default_factory=Counter)
    masks: Counter[int] = field(default_factory=Counter)
    between: Counter[int] = field(default_factory=Counter)
    coarse: Survey | None = None

    @property
    def total_px(self) -> int:
        """Number of pixels of all counted masks."""
        return self.pixels.total()

    def spell(self, key: int) -> str:
        """Return a value or colour as ``classes.toml`` spells it.

        Args:
            key: Value or packed colour.
        """
        return format_color(unpack_color(key)) if self.by_color else str(key)

    def add(self, mask: Mask) -> None:
        """Count one mask.

        Args:
            mask: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        """
        grey = _as_grey(mask)
        if grey is None and not self.by_color:
            self._count_by_color()
        self.seen += 1
        if not self.by_color:
            values = mask if grey is None else grey
            self._count(values, _find_inner(values))
            _add(self.between, values[_find_between(values)])
            return
        shallow = mask if mask.dtype == np.uint8 else (mask >> 8).astype(np.uint8)
        colors = pack_colors(shallow)
        self._count(colors, _find_inner(colors))
        if self.coarse is not None:
            self.coarse.seen += 1
            self.coarse._count(_coarsen(colors), _find_inner(shallow, _NOISE))

    def _count(self, keys: NDArray[np.generic], inner: NDArray[np.bool_]) -> None:
        self.masks.update(_add(self.pixels, keys))
        _add(self.inner, keys[inner])

    def _count_by_color(self) -> None:
        """Convert grey values to colours: an empty mask among colour masks is black."""
        self.by_color = True
        self.coarse = Survey(by_color=True)
        for name in ("pixels", "inner", "masks"):
            counted = Counter({key * 0x010101: n for key, n in getattr(self, name).items()})
            setattr(self, name, counted)
            for key, count in counted.items():
                getattr(self.coarse, name)[int(_coarsen(np.array(key)))] += count


def _add(counter: Counter[int], keys: NDArray[np.generic]) -> list[int]:
    """Count keys, and return the distinct ones."""
    values, counts = np.unique(keys, return_counts=True)
    counter.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    found: list[int] = values.tolist()
    return found


def _coarsen(keys: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return packed colours with each channel rounded to a multiple of 17."""
    wide = keys.astype(np.int64)
    rounded = [(((wide >> shift & 255) + 8) // 17 * 17) << shift for shift in (16, 8, 0)]
    return np.asarray(rounded[0] | rounded[1] | rounded[2], np.int64)


def _as_grey(mask: Mask) -> Mask | None:
    """Return ``(H, W)``, or None for a mask with colours."""
    if mask.ndim == 2:
        return mask
    return mask[..., 0] if (mask == mask[..., :1]).all() else None


def _find_inner(values: NDArray[np.generic], most: int = 0) -> NDArray[np.bool_]:
    """Return which pixels differ from their eight neighbours by at most ``most``, ``(H, W)``."""
    wide = values.astype(np.int32)  # packed colours take 24 bits
    wide = wide[..., None] if wide.ndim == 2 else wide
    inner = np.zeros(wide.shape[:2], bool)
    if min(inner.shape) < 3:
        return inner
    height, width = inner.shape
    middle = inner[1:-1, 1:-1]
    middle[:] = True
    for row in range(3):
        for column in range(3):
            beside = wide[row : row + height - 2, column : column + width - 2]
            middle &= (np.abs(beside - wide[1:-1, 1:-1]) <= most).all(axis=-1)
    return inner


def _find_between(values: Mask) -> NDArray[np.bool_]:
    """Return which pixels have a darker and a lighter neighbour among the eight, ``(H, W)``."""
    around = np.ones((3, 3), np.uint8)
    darkest, lightest = cv2.erode(values, around), cv2.dilate(values, around)
    return np.asarray((darkest < values) & (values < lightest))


def survey_masks(masks: Sequence[Mask]) -> list[str]:
    """Return the values or colours of masks as ``classes.toml`` spells them, most frequent first.

    Args:
        masks: Masks; if one is coloured, all count by colour.
    """
    survey = Survey(total=len(masks))
    for mask in masks:
        survey.add(mask)
    return [survey.spell(key) for key, _ in survey.pixels.most_common()]


def deep_colors(name: str, where: str | None = None) -> DataError:
    """Return the error for a mask of 16-bit colours.

    Args:
        name: Name of the mask.
        where: The file, if the message needs it.
    """
    message = f"cannot read the mask {name!r}: found 16-bit colours, expected 8-bit."
    return DataError(message, path=where, hint="export the mask as 8-bit RGB.")


def survey_source(
    source: Source,
    pairs: Sequence[Pair],
    *,
    most: int = _MOST_MASKS,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Count the values or colours in the masks of a source.

    Args:
        source: The source of the masks.
        pairs: Pairs of images and masks.
        most: Largest number of masks to read, spread evenly over the pairs; fewer large ones.
        progress: Called with the number of masks done and in total.

    Raises:
        DataError: A mask cannot be read, or has 16-bit colours.
    """
    survey = Survey(total=len(pairs))
    step = max(1, -(-len(pairs) // most))
    chosen = pairs[::step]
    for number, pair in enumerate(chosen, start=1):
        path = pair.masks[0]
        mask = decode_mask(source.read(path), source.where(path), palette="index").pixels
        if mask.dtype != np.uint8 and mask.ndim == 3 and _as_grey(mask) is None:
            raise deep_colors(path, source.where(path))
        survey.add(mask)
        if progress is not None:
            progress(number, len(chosen))
        if survey.total_px > _MOST_PX:
            break
    return survey
