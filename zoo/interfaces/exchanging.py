# SPDX-License-Identifier: Apache-2.0
"""Labels as other tools keep them: what a format reads, and what it writes for people to correct.

Coordinates are in px of the upright image, from the upper left corner of its first pixel: the
centre of that pixel is ``(0.5, 0.5)``. This is how COCO, labelme and CVAT count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from zoo.data import Report, Source

__all__ = [
    "Exchange",
    "LabelReader",
    "LabelWriter",
    "LabelledImage",
    "LabelledObject",
    "LabelledPolygon",
    "Labels",
    "SourceReader",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPolygon:
    """One part of an object: an outline, less its holes.

    Attributes:
        outline: ``x1, y1, x2, y2, ...`` in px, three points or more, not closed.
        holes: Outlines inside it that are not part of the object, in the same form.
    """

    outline: tuple[float, ...]
    holes: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledObject:
    """One object: polygons, or a mask, or a box alone.

    Attributes:
        label: Name of its class.
        polygons: Its parts; empty if it has a mask, or a box alone.
        rle: Its mask as COCO's compact run lengths, ``size`` (height and width in px, as the
            image) and ``counts`` as text; or None.
        box: xyxy in px, half-open; None if the format states none.
        is_crowd: Whether it covers many objects that were not separated.
        score: Of a prediction, in ``[0, 1]``; None for a label.
        id: Of an instance that a model found, that of ``coco.json`` and ``predictions.json``; None
            for a label, and for a class of a label map, whose mask may have many parts.
        source: Where it is written, for reports, such as ``a.json:shape 3``.
    """

    label: str
    polygons: tuple[LabelledPolygon, ...] = ()
    rle: Mapping[str, Any] | None = None
    box: tuple[float, float, float, float] | None = None
    is_crowd: bool = False
    score: float | None = None
    id: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """An image and its labels.

    Attributes:
        name: Its path: for a reader, from the top of the source, or as the tool says it.
        size: Width and height in px; None if the format does not state it.
        objects: Its objects; an image without any is labelled as empty.
        tags: Labels of the image as a whole.
        crs: Reference system of its coordinates, ``urn:ogc:def:crs:EPSG::32631`` or WKT; None if
            it states no coordinates.
        transform: a, b, c, d, e, f: ``x = a column + b row + c``, ``y = d column + e row + f``;
            None without ``crs``.
    """

    name: str
    size: tuple[int, int] | None = None
    objects: tuple[LabelledObject, ...] = ()
    tags: tuple[str, ...] = ()
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of a set of images.

    Attributes:
        classes: Names of all classes that objects have, in the order of their ids.
        images: Iterated once.
        palette: RGB colour of each class, as in overlays; empty if there are none.
        score_thr: Least score of what a model found; None for labels and label maps.
    """

    classes: tuple[str, ...]
    images: Iterable[LabelledImage]
    palette: tuple[tuple[int, int, int], ...] = ()
    score_thr: float | None = None


class LabelReader(Protocol):
    """Reads a format: what an ``[[exchange]]`` row with ``reads`` needs."""

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the labels of a source. The images themselves are not opened, if possible.

        Args:
            source: A folder or a zip.
            files: The files in it that have a suffix of the row, or the one that the user chose;
                at least one.
            report: Receives everything that is left out or mended, each with its file and reason.

        Raises:
            DataError: A file is damaged or is not of this format.
        """


class LabelWriter(Protocol):
    """Writes a format: what an ``[[exchange]]`` row with ``writes`` needs."""

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write labels, or predictions, as one file.

        Args:
            labels: What to write; those of a prediction have scores.
            out: The file to write, whole or not at all; its name ends with the row's first
                suffix. A file that is there is replaced.
            report: Receives everything that the format cannot say, each with its image and reason.

        Raises:
            DataError: The file cannot be written.
        """


class Exchange(LabelReader, LabelWriter, Protocol):
    """A format of labels: the target of an ``[[exchange]]`` row, a class.

    It is built with the options of the row as keywords, all of them; without options, with none.
    A row that only reads has no ``write``, and one that only writes has no ``read``.
    """


class SourceReader(Protocol):
    """What ``prepare`` receives for an option of the type ``exchange``.

    Attributes:
        name: Name of the format.
    """

    name: str

    def __call__(self, source: Source, report: Report, /, *, only: str = "") -> Labels:
        """Return the labels of a source, checked: each object has a class and a shape.

        Args:
            source: A folder or a zip.
            report: Receives what is left out or mended.
            only: Path of the label file in the source; empty for all of the format's suffixes.

        Raises:
            DataError: There is no such file, or it is not of this format.
        """
