# SPDX-License-Identifier: Apache-2.0
"""What a file of vectors lists: objects of all images with their outlines and measures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from pyproj import CRS

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_geo_vectors.measures import measures_of
from zoo_geo_vectors.outlines import outline_of, regions_of
from zoo_geo_vectors.places import Place, area_of, neighbours, place_of, read_crs
from zoo_geo_vectors.simplifying import simplified, simplified_together

__all__ = ["Choices", "Feature", "Found", "features_of"]

_CUT = "touches or overlaps another image, and an object that lies across is one in each: "
_CUT += "zoo mosaic makes one scene of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user wants of the objects.

    Attributes:
        tolerance: Largest distance between an outline and the pixel edges, in px.
        min_area: Smallest area, in m^2, or in px of an image without coordinates.
        min_roundness: Smallest roundness, in ``[0, 1]``.
        classes: Names of the classes to write; empty for all.
        crs: Reference system of the file; empty for that of the images.

    Raises:
        DataError: A number is out of its range, or there is no such reference system.
    """

    tolerance: float = 1.0
    min_area: float = 0.0
    min_roundness: float = 0.0
    classes: tuple[str, ...] = ()
    crs: str = ""

    def __post_init__(self) -> None:
        """Refuse a number that no object could fit."""
        highest = {"tolerance": math.inf, "min_area": math.inf, "min_roundness": 1.0}
        for name, most in highest.items():
            value = getattr(self, name)
            if not (0 <= value <= most and math.isfinite(value)):
                wanted = "a number from 0 to 1" if most == 1 else "a number from 0 on"
                said = name.replace("_", "-")
                message = f"cannot write vectors: {said} is {value}, expected {wanted}."
                hint = f"write --format-option {said}=NUMBER."
                raise DataError(message, where="--format-option", hint=hint)
        if self.crs:
            read_crs(self.crs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """An object as a file lists it.

    Attributes:
        id: Of an instance that of ``coco.json``; of a region its number in the batch, from 1.
        image: Name of the image.
        label: Name of its class.
        score: In ``[0, 1]``, or None.
        measures: Name of a column -> its value.
        outline: In the coordinates of the file; None where only measures are written.
        digits: How many decimals its coordinates have.
        crs: Reference system of the file; None for an image without coordinates.
        shape: Its outline in px, to draw it; None where that was not asked for.
    """

    id: int
    image: str
    label: str
    score: float | None
    measures: dict[str, float | None]
    outline: Any
    digits: int
    crs: CRS | None
    shape: Any = None


@dataclass(frozen=True, slots=True)
class Found:
    """The objects of all images.

    Attributes:
        features: The objects, in the order of the images.
        systems: Reference systems of the file that the images ask for.
    """

    features: list[Feature]
    systems: frozenset[CRS]


def features_of(
    labels: Labels,
    choices: Choices,
    report: Report,
    *,
    outlines: bool = True,
    drawn: bool = False,
) -> Found:
    """Return the objects of all images that the user wants.

    An object with an id is one feature, whatever its parts. A class of a label map, which has
    none, becomes its connected regions; borders between two regions stay common borders.

    Args:
        labels: What a model has found.
        choices: What the user wants of it.
        report: Receives each object that is left out.
        outlines: Whether outlines are wanted, and with them coordinates, or measures alone.
        drawn: Whether outlines in px are wanted, of images without coordinates too.

    Raises:
        DataError: A class is unknown, or no image has coordinates where they are needed.
    """
    _check_classes(labels, choices)
    numbers, systems = count(1), set[CRS]()
    features: list[Feature] = []
    areas: list[tuple[str, CRS, Any]] = []  # not the images, whose objects fill the memory
    for image in labels.images:
        place = place_of(image, choices.crs)
        if place is None and outlines:
            report.drop(image.name, "no coordinates: its objects are in no file of vectors")
            _pass_over(image, numbers)
            continue
        found = _of_image(image, place, choices, report, numbers, outlines=outlines, drawn=drawn)
        features += found
        if place is not None:
            systems.add(place.target)
            if image.size is not None:
                areas.append((image.name, place.own, area_of(image.size, place)))
    if outlines and not systems:
        message = "cannot write vectors: no image has coordinates (a reference system and a place)."
        hint = "use --format csv for measures in px; gdal_edit.py -a_srs -a_ullr gives a TIFF both."
        raise DataError(message, hint=hint)
    for name in neighbours(areas):
        report.note(name, _CUT)
    return Found(features, frozenset(systems))


def _check_classes(labels: Labels, choices: Choices) -> None:
    for name in choices.classes:
        if name not in labels.classes:
            message = f"cannot write the class {name!r}: the model finds {labels.classes!r:.200}."
            raise DataError(message, where="--format-option", hint="write classes=NAME of these.")


def _of_image(
    image: LabelledImage,
    place: Place | None,
    choices: Choices,
    report: Report,
    numbers: Iterator[int],
    *,
    outlines: bool,
    drawn: bool,
) -> list[Feature]:
    """Return the features of an image."""
    found: list[tuple[LabelledObject, int, Any, dict[str, float | None]]] = []
    for each in image.objects:
        for shape in _shapes_of(each):
            number = next(numbers) if each.id is None else each.id
            measures = {} if shape.is_empty else measures_of(shape, place)
            reason = _unwanted(each, shape, measures, choices)
            if reason is None:
                found.append((each, number, shape, measures))
            else:
                report.drop(f"{image.name}: object {number}", reason)
    is_drawn = outlines or drawn
    shapes = _drawn(found, choices) if is_drawn else [shape for _, _, shape, _ in found]
    features = []
    for (each, number, exact, measures), shape in zip(found, shapes, strict=True):
        centre = exact.centroid if place is None else place.in_file(exact.centroid)
        digits = 2 if place is None else place.digits(exact)
        outline = place.in_file(shape) if outlines and place is not None else None
        if centre.is_empty or (outline is not None and outline.is_empty):
            reason = "outside the area of the reference system"
            report.drop(f"{image.name}: object {number}", reason)
            continue
        names = ("centre_x_px", "centre_y_px") if place is None else ("centre_x", "centre_y")
        values = (round(value, digits) for value in (centre.x, centre.y))
        features.append(
            Feature(
                id=number,
                image=image.name,
                label=each.label,
                score=each.score,
                measures={**measures, **dict(zip(names, values, strict=True))},
                outline=outline,
                digits=digits,
                crs=None if place is None else place.target,
                shape=shape if drawn else None,
            )
        )
    return features


def _pass_over(image: LabelledImage, numbers: Iterator[int]) -> None:
    """Take the numbers of an image that is left out: those of a batch are the same in all files."""
    for each in image.objects:
        if each.id is None:
            for _ in _shapes_of(each):
                next(numbers)


def _shapes_of(each: LabelledObject) -> list[Any]:
    """Return the outlines of an object: of a class of a label map, those of its regions."""
    is_region = each.id is None and each.rle is not None
    return regions_of(each) if is_region else [outline_of(each)]


def _drawn(
    found: list[tuple[LabelledObject, int, Any, dict[str, float | None]]], choices: Choices
) -> list[Any]:
    """Return the outlines simplified: those of regions with their neighbours."""
    tolerance = choices.tolerance
    regions = [place for place, row in enumerate(found) if row[0].id is None and row[0].rle]
    exact = [found[place][2] for place in regions]
    together = simplified_together(exact, tolerance, is_stairs=True)
    drawn = dict(zip(regions, together, strict=True))
    return [
        drawn[place]
        if place in drawn
        else simplified(row[2], tolerance, is_stairs=row[0].rle is not None)
        for place, row in enumerate(found)
    ]


def _unwanted(
    each: LabelledObject, shape: Any, measures: dict[str, float | None], choices: Choices
) -> str | None:
    """Return why an object is left out, or None."""
    if choices.classes and each.label not in choices.classes:
        return "of a class that was not asked for"
    if shape.is_empty:
        return "an empty mask" if each.rle is not None else "without an area"
    area = measures.get("area_m2")
    unit = "px" if area is None else "m²"
    size = area if area is not None else measures["area_px"]
    if (size or 0.0) < choices.min_area:
        return f"smaller than {choices.min_area:g} {unit}"
    if (measures["roundness"] or 0.0) < choices.min_roundness:
        return f"less round than {choices.min_roundness:g}"
    return None
