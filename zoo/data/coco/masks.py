# SPDX-License-Identifier: Apache-2.0
"""COCO masks, polygons or run lengths, by pycocotools."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.data.coco.rows import spell_json
from zoo.data.geometry.shapes import cut_polygon
from zoo.data.geometry.windows import Window
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.geometry.shapes import Box

__all__ = [
    "Mask",
    "MaskInRoi",
    "Segmentation",
    "area_of",
    "box_of",
    "box_of_segmentation",
    "crop_of_rle",
    "encode_window",
    "find_rle_fault",
    "load_pycocotools",
    "rle_of_polygons",
    "roi_of",
    "shift_polygons",
    "to_json",
]

Polygons = list[list[float]]
Rle = dict[str, Any]
Segmentation = Polygons | Rle
# pycocotools stores five points per px of an outline, even outside the window.
_FAR_PX = 2**17


@functools.cache
def load_pycocotools() -> Any:
    """Return the module ``pycocotools.mask``."""
    try:
        from pycocotools import mask
    except ImportError as error:
        message = f"cannot read or write masks of instances: {error}."
        raise DataError(message, hint='pip install "pycocotools>=2.0.7".') from error
    return mask


class MaskInRoi:
    """A mask cropped to its box, to avoid storing pixels of the whole scene.

    Args:
        pixels: ``(h, w)`` uint8 of 0 and 1.
        left_px: First column in the scene.
        top_px: First row in the scene.
        rle: The whole mask as compact RLE.
    """

    __slots__ = ("left_px", "pixels", "rle", "top_px")

    def __init__(self, pixels: NDArray[np.uint8], left_px: int, top_px: int, rle: Rle) -> None:
        self.pixels = pixels
        self.left_px = left_px
        self.top_px = top_px
        self.rle = rle

    @property
    def box(self) -> Box:
        """The box as xyxy in px."""
        height, width = self.pixels.shape
        return self.left_px, self.top_px, self.left_px + width, self.top_px + height


Mask = Polygons | MaskInRoi


def find_rle_fault(rle: Rle, height_px: int, width_px: int) -> str | None:
    """Return why run lengths are not a valid mask of this size, or None.

    pycocotools does not check this: with wrong counts it reads memory outside the mask.

    Args:
        rle: ``size`` (height and width in px) and ``counts``, as pycocotools has them.
        height_px: Height of the image.
        width_px: Width of the image.
    """
    size, counts = rle.get("size"), rle.get("counts")
    if size != [height_px, width_px]:
        return f"its RLE has the size {spell_json(size)}, expected {[height_px, width_px]!r}"
    if isinstance(counts, str):
        if counts.startswith(("b'", 'b"')):
            return (
                f"its RLE has counts as Python prints bytes ({counts!r:.20}), expected their text"
            )
        runs = _read_runs(counts)
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        runs = counts
    else:
        return "its RLE has counts that are neither text nor whole numbers"
    if runs is None or min(runs, default=0) < 0 or sum(runs) != height_px * width_px:
        return f"its RLE has runs that do not add up to {height_px} x {width_px} px"
    return None


def _read_runs(text: str) -> list[int] | None:
    """Return the runs of compact RLE, or None if the text is truncated or invalid.

    Each letter holds five bits, lowest first. From the third run on, a run is stored as the
    difference to the last but one. Source: rleFrString in maskApi.c of pycocotools.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return None if shift else runs


def roi_of(segmentation: Segmentation) -> Mask:
    """Return polygons unchanged, and run lengths as pixels cropped to their box.

    Args:
        segmentation: Polygons, or an RLE that :func:`find_rle_fault` accepts.
    """
    if isinstance(segmentation, list):
        return segmentation
    rle = segmentation
    if isinstance(rle["counts"], list):
        rle = load_pycocotools().frPyObjects(rle, *rle["size"])
    return MaskInRoi(*crop_of_rle(segmentation), rle)


def crop_of_rle(rle: Rle) -> tuple[NDArray[np.uint8], int, int]:
    """Return a mask cropped to its box, and the first column and row of the box in px.

    Only the columns of the box are in memory, never the whole image.

    Args:
        rle: An RLE that :func:`find_rle_fault` accepts.

    Returns:
        ``(h, w)`` uint8 of 0 and 1, without any pixel for an empty mask; left; top.
    """
    import numpy as np

    height_px = rle["size"][0]
    counts = rle["counts"]
    runs = counts if isinstance(counts, list) else _read_runs(to_json(rle)["counts"])
    turns = np.cumsum(np.array(runs, np.int64))
    turns = np.append(turns, turns[-1:]) if turns.size % 2 else turns
    starts, ends = turns[::2], turns[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not starts.size:
        return np.zeros((0, 0), np.uint8), 0, 0
    left, right = int(starts[0]) // height_px, -(-int(ends[-1]) // height_px)
    # Where a run begins the strip turns to 1, and where it ends back to 0.
    strip = np.zeros((right - left) * height_px + 1, np.int8)
    np.add.at(strip, starts - left * height_px, 1)
    np.add.at(strip, ends - left * height_px, -1)
    columns = np.cumsum(strip[:-1], dtype=np.int8).view(np.uint8).reshape(right - left, height_px)
    rows = np.flatnonzero(columns.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return np.ascontiguousarray(columns[:, top:bottom].T), left, top


def encode_window(mask: Mask, window: Window) -> Rle:
    """Return the part of a mask inside a window, as compact RLE of the size of the window.

    Args:
        mask: Mask in px of the scene.
        window: Window in px of the scene.
    """
    tools = load_pycocotools()
    if isinstance(mask, list):
        moved = [_cut_far(polygon, window) for polygon in shift_polygons(mask, window)]
        rle: Rle = tools.merge(tools.frPyObjects(moved, window.height_px, window.width_px))
        return rle
    size = [window.height_px, window.width_px]
    if (window.left_px, window.top_px, [*mask.rle["size"]]) == (0, 0, size):
        return mask.rle
    return _encode_roi(mask, window)


def rle_of_polygons(
    polygons: Iterable[tuple[Sequence[float], Sequence[Sequence[float]]]],
    height_px: int,
    width_px: int,
) -> Rle:
    """Return polygons with holes as one mask: compact RLE with ``counts`` as text.

    A pixel belongs to it if a polygon covers it by COCO's rule and no hole of that polygon does.

    Args:
        polygons: Outline and holes of each, flat lists ``x1, y1, x2, y2, ...`` in px.
        height_px: Of the image.
        width_px: Of the image.

    Example:
        >>> outline, hole = [0, 0, 4, 0, 4, 4, 0, 4], [1, 1, 3, 1, 3, 3, 1, 3]
        >>> area_of(rle_of_polygons([(outline, [hole])], 4, 4))
        12
    """
    tools, window = load_pycocotools(), Window(0, 0, width_px, height_px)
    parts = []
    for outline, holes in polygons:
        part = encode_window([list(outline)], window)
        if holes:
            part = tools.merge([part, _inverted(encode_window([*map(list, holes)], window))], True)
        parts.append(part)
    return to_json(tools.merge(parts))


def _inverted(rle: Rle) -> Rle:
    """Return the mask of all other pixels."""
    runs = _read_runs(to_json(rle)["counts"]) or []
    runs = runs[1:] if runs[:1] == [0] else [0, *runs]
    inverted: Rle = load_pycocotools().frPyObjects({**rle, "counts": runs}, *rle["size"])
    return inverted


def _cut_far(polygon: list[float], window: Window) -> list[float]:
    """Return an outline without parts far outside the window."""
    if min(polygon) >= -_FAR_PX and max(polygon) <= _FAR_PX:
        return polygon
    box = (-_FAR_PX, -_FAR_PX, window.width_px + _FAR_PX, window.height_px + _FAR_PX)
    return cut_polygon(polygon, box) or [0.0] * 6


def _encode_roi(mask: MaskInRoi, window: Window) -> Rle:
    """Return the part of a cropped mask inside a window, as compact RLE."""
    import numpy as np

    canvas = np.zeros((window.height_px, window.width_px), np.uint8, order="F")
    left, top = mask.left_px - window.left_px, mask.top_px - window.top_px
    height, width = mask.pixels.shape
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + width, window.width_px), min(top + height, window.height_px)
    if x1 < x2 and y1 < y2:
        canvas[y1:y2, x1:x2] = mask.pixels[y1 - top : y2 - top, x1 - left : x2 - left]
    rle: Rle = load_pycocotools().encode(canvas)
    return rle


def shift_polygons(polygons: Polygons, window: Window) -> Polygons:
    """Return polygons in px of a window, rounded to 0.01 px if they are moved.

    Args:
        polygons: Rings as flat lists ``x1, y1, x2, y2, ...`` in px of the scene.
        window: The window, in px of the scene.
    """
    offset = (window.left_px, window.top_px)
    if offset == (0, 0):
        return polygons
    return [
        [round(value - offset[index % 2], 2) for index, value in enumerate(polygon)]
        for polygon in polygons
    ]


def area_of(rle: Rle) -> int:
    """Return the number of pixels of a mask.

    Args:
        rle: ``size`` (height and width in px) and ``counts``, as pycocotools has them.
    """
    return int(load_pycocotools().area(rle))


def box_of(rle: Rle) -> Box:
    """Return the bounding box of a mask, xyxy in px; all 0 for an empty mask.

    Args:
        rle: ``size`` (height and width in px) and ``counts``, as pycocotools has them.
    """
    left, top, width, height = (int(side) for side in load_pycocotools().toBbox(rle))
    return left, top, left + width, top + height


def box_of_segmentation(segmentation: Segmentation) -> Box | None:
    """Return the bounding box of a mask, xyxy in px, or None for an empty mask.

    Args:
        segmentation: Polygons, or an RLE that :func:`find_rle_fault` accepts.
    """
    mask = roi_of(segmentation)
    if isinstance(mask, MaskInRoi):
        return mask.box if mask.pixels.size else None
    xs = [value for polygon in mask for value in polygon[::2]]
    ys = [value for polygon in mask for value in polygon[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def to_json(rle: Rle) -> Rle:
    """Return run lengths with ``counts`` as text instead of bytes.

    Args:
        rle: ``size`` (height and width in px) and ``counts``, as pycocotools has them.
    """
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": text}
