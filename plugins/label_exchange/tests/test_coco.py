# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: written and read back; what it cannot say is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from zoo_label_exchange.coco import HOLES, Coco

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

KINDS = ("polygon", "holes", "parts", "touching", "mask", "crowd", "box")
Read = Callable[..., tuple[Labels, Report]]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_written_labels_are_read_back_and_every_mended_one_is_counted(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    pixels_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Polygons by their points, masks by their pixels; holes become masks, each counted."""
    labels, folder = data.draw(drawn_labels(KINDS)), tmp_path_factory.mktemp("coco")
    report = Report()

    Coco().write(labels, folder / "labels.json", report)
    found, told = read_folder(Coco(), folder, ".json")

    assert found.classes == labels.classes
    assert (told.dropped, told.repaired, report.dropped) == ([], [], [])
    holes = 0
    for wanted, image in zip(labels.images, found.images, strict=True):
        assert (image.name, image.size) == (wanted.name, wanted.size)
        assert wanted.size is not None
        for before, after in zip(wanted.objects, image.objects, strict=True):
            assert (after.label, after.is_crowd) == (before.label, before.is_crowd)
            if any(polygon.holes for polygon in before.polygons):
                holes += 1
                drawn = pixels_of(before, wanted.size)
                np.testing.assert_array_equal(pixels_of(after, wanted.size), drawn)
            else:
                assert (after.polygons, after.rle) == (before.polygons, before.rle)
            if before.box is not None:
                assert after.box == pytest.approx(before.box)
    assert [line.text for line in report.repaired] == [HOLES] * holes


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    """The reference reader of the format."""
    square = LabelledPolygon(outline=(1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0))
    ring = LabelledPolygon(
        outline=square.outline, holes=((2.0, 2.0, 4.0, 2.0, 4.0, 4.0, 2.0, 4.0),)
    )
    objects = tuple(
        LabelledObject(label="tank", polygons=(polygon,), score=0.5) for polygon in (square, ring)
    )
    image = LabelledImage(name="a.png", size=(8, 6), objects=objects)

    Coco().write(Labels(classes=("tank",), images=[image]), tmp_path / "a.json", Report())

    read = COCO(str(tmp_path / "a.json"))
    areas = [int(read.annToMask(row).sum()) for row in read.loadAnns(read.getAnnIds())]
    assert areas == [16, 12]
    assert [row["area"] for row in read.loadAnns(read.getAnnIds())] == [16.0, 12]
    assert [row["bbox"] for row in read.loadAnns(read.getAnnIds())] == [[1, 1, 4, 4]] * 2
    assert [row["score"] for row in read.loadAnns(read.getAnnIds())] == [0.5, 0.5]


def test_files_of_one_source_share_classes(tmp_path: Path, read_folder: Read) -> None:
    """The same name is the same class, whatever its id in each file."""
    for split, names in (("train", ["tank", "pond"]), ("val", ["pond"])):
        rows = [{"id": number, "name": name} for number, name in enumerate(names, 7)]
        image = {"id": 1, "file_name": f"{split}.png", "width": 9, "height": 9}
        row = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 3, 3], "iscrowd": 0}
        content = {"images": [image], "annotations": [row], "categories": rows}
        (tmp_path / f"{split}.json").write_text(json.dumps(content))

    labels, _ = read_folder(Coco(), tmp_path, ".json")

    assert labels.classes == ("tank", "pond")
    assert [image.objects[0].label for image in labels.images] == ["tank", "pond"]


def test_what_coco_cannot_say_is_counted(tmp_path: Path) -> None:
    """Labels of whole images, and images of unknown size."""
    images = [
        LabelledImage(name="a.png", size=(8, 8), tags=("night",)),
        LabelledImage(name="b.png"),
    ]
    report = Report()

    Coco().write(Labels(classes=("tank",), images=images), tmp_path / "a.json", report)

    assert [(line.file, line.text) for line in report.dropped] == [
        ("a.png", "COCO has no labels of whole images: 'night'"),
        ("b.png", "COCO states the size of an image, which is unknown"),
    ]


def test_other_json_is_refused_by_its_name(tmp_path: Path, read_folder: Read) -> None:
    (tmp_path / "a.json").write_text('{"shapes": [], "imagePath": "a.png"}')

    with pytest.raises(DataError, match=r"'a\.json'"):
        read_folder(Coco(), tmp_path, ".json")
