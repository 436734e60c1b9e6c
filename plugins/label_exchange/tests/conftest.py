# SPDX-License-Identifier: Apache-2.0
"""Drawn labels: polygons with holes and parts, masks, boxes, crowds, tiny and touching objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from pycocotools import mask as tools

from zoo.data import Report, open_source
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

CLASSES = ("tank", "Öltank", "储罐 2", "a<b&'c\"")
SIDES = st.integers(12, 48)


def _around(x: float, y: float, radii: list[float], turn: float) -> tuple[float, ...]:
    """Return a star-shaped outline: it never crosses itself."""
    step = 2 * math.pi / len(radii)
    points = [
        (x + radius * math.cos(turn + step * index), y + radius * math.sin(turn + step * index))
        for index, radius in enumerate(radii)
    ]
    return tuple(round(value, 2) for point in points for value in point)


@st.composite
def _polygon(draw: Any, width: int, height: int, *, holes: bool) -> LabelledPolygon:
    x, y = draw(st.floats(4, width - 4)), draw(st.floats(4, height - 4))
    # Some are tiny: a quarter of a pixel.
    size = draw(st.sampled_from([0.25, 2.0, 4.0]))
    radii = draw(st.lists(st.floats(0.6 * size, size), min_size=3, max_size=9))
    turn = draw(st.floats(0, 1))
    outline = _around(x, y, radii, turn)
    if not (holes and size == 4.0 and len(radii) > 4 and draw(st.booleans())):
        return LabelledPolygon(outline=outline)
    return LabelledPolygon(outline=outline, holes=(_around(x, y, [0.8] * 4, turn),))


@st.composite
def _touching(draw: Any, width: int, height: int) -> tuple[LabelledPolygon, LabelledPolygon]:
    """Return two rectangles that share a side."""
    x, y = draw(st.integers(1, width - 9)), draw(st.integers(1, height - 9))
    left, right = (x, y, x + 4, y, x + 4, y + 8, x, y + 8), (x + 4, y, x + 8, y, x + 8, y + 8)
    return (
        LabelledPolygon(outline=tuple(map(float, left))),
        LabelledPolygon(outline=tuple(map(float, (*right, x + 4, y + 8)))),
    )


@st.composite
def _mask(draw: Any, width: int, height: int) -> dict[str, Any]:
    seed = draw(st.integers(0, 2**32 - 1))
    pixels = np.random.default_rng(seed).random((height, width)) < draw(st.floats(0.01, 0.9))
    pixels[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    rle = tools.encode(np.asfortranarray(pixels, np.uint8))
    return {"size": [height, width], "counts": rle["counts"].decode()}


@st.composite
def _objects(draw: Any, width: int, height: int, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    kind = draw(st.sampled_from(kinds))
    if kind == "mask":
        return [{"rle": draw(_mask(width, height))}]
    if kind == "crowd":
        return [{"rle": draw(_mask(width, height)), "is_crowd": True}]
    if kind == "box":
        return [{"box": (1.0, 2.0, draw(st.integers(3, width)) * 1.0, height - 0.5)}]
    if kind == "touching":
        return [{"polygons": (each,)} for each in draw(_touching(width, height))]
    count = draw(st.integers(2, 3)) if kind == "parts" else 1
    parts = [draw(_polygon(width, height, holes=kind == "holes")) for _ in range(count)]
    return [{"polygons": tuple(parts)}]


@st.composite
def drawn(draw: Any, kinds: tuple[str, ...]) -> Labels:
    """Draw labels of a few images."""
    stems = draw(st.lists(st.sampled_from(["a", "é", "图 1", "b c"]), unique=True, max_size=3))
    images = []
    for stem in ["first", *stems]:
        width, height = draw(SIDES), draw(SIDES)
        shapes = draw(st.lists(_objects(width, height, kinds), max_size=3))
        objects = [
            LabelledObject(label=draw(st.sampled_from(CLASSES)), **shape)
            for several in shapes
            for shape in several
        ]
        name = f"{stem}.png"
        images.append(LabelledImage(name=name, size=(width, height), objects=tuple(objects)))
    return Labels(classes=CLASSES, images=tuple(images))


@pytest.fixture(scope="session")
def drawn_labels() -> Callable[..., st.SearchStrategy[Labels]]:
    """Return the strategy of labels; its argument is the kinds of shapes."""
    return drawn


@pytest.fixture(scope="session")
def read_folder() -> Callable[..., tuple[Labels, Report]]:
    """Read all files of a suffix in a folder with an exchange."""

    def read(exchange: Any, folder: Path, *suffixes: str) -> tuple[Labels, Report]:
        report = Report()
        with open_source(folder) as source:
            files = [file.path for file in source.files() if file.suffix in suffixes]
            labels = exchange.read(source, files, report)
            return Labels(classes=labels.classes, images=tuple(labels.images)), report

    return read


@pytest.fixture(scope="session")
def pixels_of() -> Callable[[LabelledObject, tuple[int, int]], np.ndarray[Any, Any]]:
    """Draw an object by COCO's rule: its polygons, less the holes of each."""

    def draw(each: LabelledObject, size: tuple[int, int]) -> np.ndarray[Any, Any]:
        width, height = size
        if each.rle is not None:
            return np.asarray(tools.decode(dict(each.rle)), bool)
        canvas = np.zeros((height, width), bool)
        for polygon in each.polygons:
            part = _filled(polygon.outline, height, width)
            for hole in polygon.holes:
                part &= ~_filled(hole, height, width)
            canvas |= part
        return canvas

    return draw


def _filled(outline: tuple[float, ...], height: int, width: int) -> np.ndarray[Any, Any]:
    (rle,) = tools.frPyObjects([list(outline)], height, width)
    return np.asarray(tools.decode(rle), bool)
