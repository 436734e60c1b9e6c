# SPDX-License-Identifier: Apache-2.0
"""Objects painted as label maps: a source whose masks are made from the labels of another tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as tools

from zoo.data import Instance, Pair, Scene, Source, SourceFile, Synthetic, rle_of_polygons

__all__ = ["CLIPPED", "EMPTY", "ENDING", "HIDDEN", "UNDER", "PaintedSource", "paint"]

CLIPPED = "reaches beyond the image: clipped at its edge"
EMPTY = "covers no pixel of the image: left out"
UNDER = "lies partly under a smaller object of another class"
HIDDEN = "lies wholly under smaller objects of other classes: left out"
ENDING = ":labels"
"""What the name of a painted mask has after that of its image."""

Labels = NDArray[np.uint8]


class PaintedSource(Source):
    """A source with a mask for each labelled image, painted when it is read.

    Args:
        source: An open source.
        scenes: The images and their objects, each with its size.
        ids: Id of the class of each category.
    """

    def __init__(self, source: Source, scenes: Iterable[Scene], ids: Sequence[int]) -> None:
        super().__init__(source.path)
        self._source, self._ids = source, ids
        self._scenes = {f"{scene.image}{ENDING}": scene for scene in scenes}
        self._told: dict[str, list[str]] = {}

    def synthetic(self) -> Synthetic | None:
        """Return the generator of synthetic data."""
        return self._source.synthetic()

    def pairs(self) -> Iterator[Pair]:
        """Yield each image with its painted mask."""
        for path, scene in self._scenes.items():
            yield Pair(scene.stem, scene.group, scene.image, (path,))

    def _list(self) -> Iterator[SourceFile]:
        yield from self._source.files()

    def read(self, path: str) -> bytes:
        """Return the bytes of a file; those of a painted mask depend only on its pixels.

        Args:
            path: Path in the source, or that of a mask.
        """
        if path not in self._scenes:
            return self._source.read(path)
        labels, self._told[path] = paint(self._scenes[path], self._ids)
        return bytes(cv2.imencode(".bmp", labels)[1])

    def where(self, path: str) -> str:
        """Return the name of a file in messages.

        Args:
            path: Path in the source, or that of a mask.
        """
        return self._source.where(path)

    def encode(
        self, masks: list[NDArray[np.uint8 | np.uint16]], pair: Pair
    ) -> tuple[Labels, list[str]]:
        """Return the class ids of a mask that was read, and what painting it changed.

        Args:
            masks: The mask of the pair, ``(H, W)``.
            pair: The pair.
        """
        return masks[0].astype(np.uint8), self._told.pop(pair.masks[0])


class _Shape(NamedTuple):
    """The pixels of an object in its own window."""

    name: str
    label: int
    window: tuple[slice, slice]
    pixels: NDArray[np.bool_]


def paint(scene: Scene, ids: Sequence[int]) -> tuple[Labels, list[str]]:
    """Return the label map of an image, and a line for each object that painting changes.

    The smaller of two objects lies on top, whatever their order, so that none is hidden by one
    around it; of two that are equally large, the later one.

    Args:
        scene: The image, with its size.
        ids: Id of the class of each category. Pixels of no object get 0.

    Returns:
        ``(H, W)`` uint8 ids, and texts for the report.
    """
    width_px, height_px = scene.size or (0, 0)
    labels = np.zeros((height_px, width_px), np.uint8)
    told: list[str] = []
    shapes = []
    for each in scene.instances:
        told += [f"{each.source!r}: {each.repair}"] if each.repair else []
        left, top, right, bottom = each.box
        if min(left, top) < 0 or right > width_px or bottom > height_px:
            told.append(f"{each.source!r} {CLIPPED}")
        shape = _fill(each, ids[each.category], height_px, width_px)
        if shape.pixels.any():
            shapes.append(shape)
        else:
            told.append(f"{each.source!r} {EMPTY}")
    for shape in sorted(shapes, key=lambda shape: -int(shape.pixels.sum())):
        labels[shape.window][shape.pixels] = shape.label
    for shape in shapes:
        kept = labels[shape.window][shape.pixels] == shape.label
        if not kept.all():
            told.append(f"{shape.name!r} {UNDER if kept.any() else HIDDEN}")
    return labels, told


def _fill(each: Instance, label: int, height_px: int, width_px: int) -> _Shape:
    rle: dict[str, Any]
    if isinstance(each.segmentation, list):
        parts = ((polygon, ()) for polygon in each.segmentation)
        rle = rle_of_polygons(parts, height_px, width_px)
    else:
        rle = each.segmentation
        if isinstance(rle["counts"], list):
            rle = tools.frPyObjects(rle, height_px, width_px)
    left, top, across, down = (int(side) for side in tools.toBbox(rle))
    window = (slice(top, top + down), slice(left, left + across))
    return _Shape(each.source, label, window, tools.decode(rle)[window].astype(bool))
