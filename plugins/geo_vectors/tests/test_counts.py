# SPDX-License-Identifier: Apache-2.0
"""Counts of each image and class: as a table, and on a page with outlines."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from zoo_geo_vectors.counting import page
from zoo_geo_vectors.counting.writing import Counts

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels

SIDES = (10, 4, 6, 20)  # px of squares; the last one has a hole of 100 px


@pytest.fixture
def scene(rle_of: Callable[[NDArray[Any]], dict[str, Any]]) -> Labels:
    """Return squares of two classes in a scene of half a metre a pixel, and an image of none."""
    objects = []
    for number, side in enumerate(SIDES):
        mask = np.zeros((40, 120), np.uint8)
        mask[5 : 5 + side, 30 * number + 2 : 30 * number + 2 + side] = 1
        if side == 20:
            mask[10:20, 97:107] = 0
        label = "pond" if number == 3 else "tank"
        objects.append(LabelledObject(label=label, rle=rle_of(mask), score=0.8, id=number + 1))
    place: dict[str, Any] = {"crs": "EPSG:32631", "transform": (0.5, 0, 5e5, 0, -0.5, 5e6)}
    first = LabelledImage(name="a.tif", size=(120, 40), objects=tuple(objects), **place)
    away = replace(first, name="b.tif", objects=(), transform=(0.5, 0, 6e5, 0, -0.5, 5e6))
    classes, palette = ("tank", "pond", "car"), ((220, 20, 60), (0, 0, 255), (1, 2, 3))
    return Labels(classes=classes, images=(first, away), palette=palette, score_thr=0.3)


def _write(labels: Labels, folder: Path, **options: Any) -> tuple[str, list[dict[str, str]]]:
    """Return the page and the rows of the table."""
    out, report = folder / "counts.html", Report()
    Counts(**options).write(labels, out, report)
    with out.with_suffix(".csv").open(encoding="utf-8") as stream:
        return out.read_text("utf-8"), [*csv.DictReader(stream)]


def _pictures(text: str) -> Iterator[ElementTree.Element]:
    for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        yield ElementTree.fromstring(found)


def _area_of(path: str) -> float:
    """Return the area that a path encloses by the rule of even and odd."""
    whole = shapely.Polygon()
    for ring in re.findall(r"M([^MZ]*)Z", path):
        points = [tuple(map(float, pair.split())) for pair in ring.split("L")]
        whole = whole.symmetric_difference(shapely.Polygon(points))
    return float(whole.area)


def test_table_has_each_class_of_each_image(scene: Labels, tmp_path: Path) -> None:
    """Classes and images without objects too; numbers are those of the squares."""
    _, rows = _write(scene, tmp_path)

    assert [(row["image"], row["class"]) for row in rows] == [
        (image, name) for image in ("a.tif", "b.tif") for name in ("tank", "pond", "car")
    ]
    assert [int(row["objects"]) for row in rows] == [3, 1, 0, 0, 0, 0]
    tanks, ponds, cars, none = rows[:4]
    assert (float(tanks["area_px"]), float(tanks["median_px"])) == (152.0, 36.0)
    assert (float(ponds["area_px"]), float(ponds["median_px"])) == (300.0, 300.0)
    # On the central meridian of a zone of UTM, lengths are those on the ground times 0.9996.
    # Each of the three areas is rounded to a thousandth of a square metre.
    assert float(tanks["area_m2"]) == pytest.approx(152 / 4 / 0.9996**2, abs=3 * 0.0006)
    assert float(tanks["median_m2"]) == pytest.approx(36 / 4 / 0.9996**2, abs=0.0006)
    assert (float(cars["area_m2"]), cars["median_m2"]) == (0.0, "")
    assert (float(none["area_px"]), none["median_px"]) == (0.0, "")
    assert {row["score_thr"] for row in rows} == {"0.3"}


def test_page_shows_the_same_numbers_and_every_outline(scene: Labels, tmp_path: Path) -> None:
    """With tolerance 0 outlines are the pixels themselves, with their holes."""
    text, _ = _write(scene, tmp_path, tolerance=0.0)

    assert "2 images; scores of 0.3 or more." in text
    assert text.count("<td>3</td><td>38.0</td><td>9.0</td>") == 2  # of all images, and of a.tif
    first, second = _pictures(text)
    assert first.get("viewBox") == "0 0 120 40"
    areas = sorted(_area_of(str(each.get("d"))) for each in first)
    assert areas == [16, 36, 100, 300]
    assert [each.get("fill") for each in first] == ["#0000ff", *["#dc143c"] * 3]
    assert [*second] == []


def test_image_without_coordinates_is_counted_in_px(scene: Labels, tmp_path: Path) -> None:
    images = [replace(each, crs=None, transform=None) for each in scene.images]

    text, rows = _write(replace(scene, images=images), tmp_path)

    assert rows[0]["area_px"] == "152.0"
    assert {row["area_m2"] for row in rows} == {""}
    assert "total area, px" in text
    assert "m²" not in text
    assert len(next(_pictures(text))) == len(SIDES)


def test_options_are_those_of_the_other_formats(scene: Labels, tmp_path: Path) -> None:
    """What is left out is not counted, and the page says so."""
    text, rows = _write(scene, tmp_path, min_area=5.0, classes=("tank",))

    assert [(row["class"], row["objects"]) for row in rows] == [("tank", "2"), ("tank", "0")]
    assert "dropped 1: smaller than 5 m²" in text
    assert len(next(_pictures(text))) == 2
    with pytest.raises(DataError, match="min-area is -1"):
        Counts(min_area=-1.0)


def test_regions_of_a_label_map_have_no_threshold(
    label_map: Callable[..., Labels], tmp_path: Path
) -> None:
    ids = np.zeros((20, 20), np.uint8)
    ids[2:6, 2:6] = ids[10:12, 10:12] = 1

    text, rows = _write(label_map(ids, ["water"]), tmp_path)

    assert [(row["objects"], row["area_px"], row["score_thr"]) for row in rows] == [
        ("2", "20.0", "")
    ]
    assert "1 image; regions of a label map." in text


def test_texts_from_outside_are_no_markup(scene: Labels, tmp_path: Path) -> None:
    """Names of files and classes come from anywhere."""
    bad = '<script>"&'
    images = [replace(each, name=f"{bad}{each.name}") for each in scene.images]
    objects = [replace(each, label=bad) for each in images[0].objects]
    images[0] = replace(images[0], objects=tuple(objects))

    text, rows = _write(replace(scene, images=images, classes=(bad,)), tmp_path)

    assert rows[0]["class"] == bad
    assert "<script" not in text
    assert text.count("&lt;script&gt;&quot;&amp;") >= 6


def test_large_batches_are_drawn_in_part(
    scene: Labels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the page says so: the numbers are those of all."""
    monkeypatch.setattr(page, "MOST_PICTURES", 1)
    monkeypatch.setattr(page, "MOST_DRAWN", 2)

    text, _ = _write(scene, tmp_path, tolerance=0.0)

    (only,) = _pictures(text)
    assert sorted(_area_of(str(each.get("d"))) for each in only) == [100, 300]
    assert "The 2 largest objects are drawn." in text
    assert "Outlines are drawn of the first 1 images." in text
    assert "<td>3</td>" in text


@pytest.mark.parametrize(
    ("size", "width"), [((120, 40), 120), ((800, 1350), 400), ((1, 2000), 1), ((3000, 300), 3000)]
)
def test_border_of_a_picture_is_that_of_the_image(
    scene: Labels, tmp_path: Path, size: tuple[int, int], width: int
) -> None:
    """A tall one is drawn smaller as a whole: browsers would leave room beside it otherwise."""
    (first, _) = scene.images

    text, _ = _write(replace(scene, images=(replace(first, size=size, objects=()),)), tmp_path)

    (picture,) = _pictures(text)
    assert picture.get("width") == str(width)
    assert picture.get("height") is None
    assert "max-height" not in text
