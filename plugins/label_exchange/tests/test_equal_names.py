# SPDX-License-Identifier: Apache-2.0
"""Images of the same name in several folders: each has the labels that lie with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as tools
from zoo_label_exchange.cvat import ATTRIBUTES, Cvat
from zoo_label_exchange.voc import POLYGON, Voc
from zoo_label_exchange.yolo import Yolo

import zoo
from zoo.data import Report, open_source
from zoo.errors import DataError
from zoo.interfaces import Labels

Read = Callable[..., tuple[Labels, Report]]


def _picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 40), value, np.uint8))


def _coco(path: Path, name: str, label: str) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 9]}
    image = {"id": 1, "file_name": name, "width": 40, "height": 20}
    content = {"images": [image], "annotations": [box]}
    path.write_text(json.dumps({**content, "categories": [{"id": 1, "name": label}]}))


def test_files_of_coco_in_folders_name_their_own_images(tmp_path: Path) -> None:
    """All at once, or one by its path; a file at the top is chosen by its name alone."""
    source = tmp_path / "source"
    for folder in ("north", "south"):
        _picture(source / folder / "1.png", len(folder))
        _coco(source / folder / "labels.json", "1.png", folder)

    report = zoo.prepare(
        "folder_data", source, tmp_path / "all", task="instance", shares="1,0,0", format="coco"
    )
    assert report.instances == {"north": 1, "south": 1}

    _coco(source / "labels.json", "north/1.png", "top")
    ways: tuple[dict[str, Any], ...] = ({"format": "coco"}, {})
    for chosen, label in (("south/labels.json", "south"), ("labels.json", "top")):
        for number, options in enumerate(ways):
            report = zoo.prepare(
                "folder_data",
                source,
                tmp_path / f"{label}{number}",
                task="instance",
                shares="1,0,0",
                annotations=chosen,
                **options,
            )
            assert report.instances == {label: 1}


def test_subsets_of_a_cvat_project_are_folders(tmp_path: Path, read_folder: Read) -> None:
    """As the export of a project has them; attributes are counted, lines are no classes."""
    images = ""
    for number, subset in enumerate(("Train", "Validation")):
        _picture(tmp_path / "images" / subset / "1.png")
        box = (
            '<box label="x" xtl="1" ytl="1" xbr="4" ybr="5"><attribute name="a">3</attribute></box>'
        )
        head = f'<image id="{number}" name="1.png" subset="{subset}" width="40" height="20">'
        images += f"{head}{box}</image>"
    listed = "".join(
        f"<label><name>{name}</name><type>{kind}</type></label>"
        for name, kind in (("x", "any"), ("line", "polyline"), ("pose", "skeleton"))
    )
    meta = f"<meta><project><labels>{listed}</labels></project></meta>"
    (tmp_path / "annotations.xml").write_text(f"<annotations>{meta}{images}</annotations>")

    labels, report = read_folder(Cvat(), tmp_path, ".xml")

    assert labels.classes == ("x",)
    assert [image.name for image in labels.images] == [
        "images/Train/1.png",
        "images/Validation/1.png",
    ]
    assert report.counts == {ATTRIBUTES: 2}


def _voc(path: Path, name: str, more: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>"
    one = f"<object><name>x</name>{more}{box}</object>"
    path.write_text(f"<annotation><filename>{name}</filename>{one}</annotation>")


def test_years_of_voc_have_their_own_pictures(tmp_path: Path, read_folder: Read) -> None:
    """An annotation finds image and masks of its own year, also below another folder."""
    wanted = {}
    for number, year in enumerate(("VOC2007", "VOC2012"), 1):
        _voc(tmp_path / year / "Annotations" / "in" / "1.xml", "in/1.png")
        _picture(tmp_path / year / "JPEGImages" / "in" / "1.png")
        numbers = np.zeros((20, 40), np.uint8)
        numbers[: 3 * number, 2:5] = 1
        path = tmp_path / year / "SegmentationObject" / "in" / "1.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), numbers)
        wanted[f"{year}/JPEGImages/in/1.png"] = 9 * number

    labels, _ = read_folder(Voc(), tmp_path, ".xml")

    found = {
        image.name: int(tools.area(dict(image.objects[0].rle or {}))) for image in labels.images
    }
    assert found == wanted

    _voc(tmp_path / "1.xml", "1.png")
    with pytest.raises(DataError, match="2 pictures in folders 'SegmentationObject' have its name"):
        read_folder(Voc(), tmp_path, ".xml")


def test_polygon_in_voc_is_noted(tmp_path: Path, read_folder: Read) -> None:
    """Some tools add one; the box is read, and the report says so."""
    _voc(tmp_path / "a.xml", "a.png", "<polygon><x1>1</x1><y1>2</y1></polygon>")

    labels, report = read_folder(Voc(), tmp_path, ".xml")

    assert [each.box for image in labels.images for each in image.objects] == [(0, 0, 4, 4)]
    assert [line.text for line in report.notes] == [POLYGON]


def test_one_file_of_yolo_does_not_empty_the_images_of_others(tmp_path: Path) -> None:
    """Only an image that has no file at all shows no object."""
    for stem in ("a", "b", "c"):
        _picture(tmp_path / "images" / f"{stem}.png")
    (tmp_path / "labels").mkdir()
    for stem in ("a", "b"):
        (tmp_path / "labels" / f"{stem}.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "data.yaml").write_text("names: [x]")

    with open_source(tmp_path) as source:
        labels = Yolo().read(source, ["labels/a.txt"], Report())

    assert [(image.name, len(image.objects)) for image in labels.images] == [
        ("images/a.png", 1),
        ("images/c.png", 0),
    ]
