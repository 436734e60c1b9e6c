# SPDX-License-Identifier: Apache-2.0
"""Labels of other tools, prepared by folder_data: the masks are those of the labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as tools
from zoo_label_exchange.coco import Coco
from zoo_label_exchange.cvat import Cvat
from zoo_label_exchange.label_studio import LabelStudio

import zoo
from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

SQUARE = (4.0, 4.0, 20.0, 4.0, 20.0, 20.0, 4.0, 20.0)
RING = LabelledPolygon(outline=SQUARE, holes=((8.0, 8.0, 12.0, 8.0, 12.0, 12.0, 8.0, 12.0),))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write three pictures."""
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "c")):
        picture = np.random.default_rng(number).integers(0, 255, (24, 32), np.uint8)
        cv2.imwrite(str(folder / "images" / f"{name}.png"), picture)
    return folder


def _masks(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Return class and pixels of each object by image, from a prepared folder."""
    found: dict[str, list[tuple[str, int]]] = {}
    for path in sorted((folder / "annotations").iterdir()):
        content: dict[str, Any] = json.loads(path.read_text())
        names = {row["id"]: row["name"] for row in content["categories"]}
        for image in content["images"]:
            rows = [row for row in content["annotations"] if row["image_id"] == image["id"]]
            found[Path(image["file_name"]).stem] = [
                (names[row["category_id"]], _pixels(row, image)) for row in rows
            ]
    return found


def _pixels(row: dict[str, Any], image: dict[str, Any]) -> int:
    shape = row["segmentation"]
    if isinstance(shape, list):
        shape = tools.merge(tools.frPyObjects(shape, image["height"], image["width"]))
    return int(tools.area(shape))


def test_holes_reach_the_prepared_folder(source: Path, tmp_path: Path) -> None:
    """A ring keeps its hole, and both parts of an object are one."""
    far = LabelledPolygon(outline=tuple(value + 8 for value in (16.0, 0.0, 20.0, 0.0, 20.0, 4.0)))
    images = [
        LabelledImage(
            name="a.png",
            size=(32, 24),
            objects=(LabelledObject(label="ring", polygons=(RING,)),),
        ),
        LabelledImage(
            name="b.png",
            size=(32, 24),
            objects=(LabelledObject(label="two", polygons=(RING, far)),),
        ),
        LabelledImage(name="c.png", size=(32, 24)),
    ]
    labels = Labels(classes=("ring", "two"), images=images)
    Coco().write(labels, source / "labels.json", Report())

    zoo.prepare(
        "folder_data",
        source,
        tmp_path / "out",
        task="instance",
        shares="1,0,0",
        format="coco",
    )

    found = _masks(tmp_path / "out")
    assert found["a"] == [("ring", 16 * 16 - 4 * 4)]
    assert found["b"][0][1] > 16 * 16 - 4 * 4
    assert found["c"] == []


def test_absent_image_is_named(source: Path, tmp_path: Path) -> None:
    images = [LabelledImage(name="gone.png", size=(32, 24))]
    Coco().write(Labels(classes=("x",), images=images), source / "labels.json", Report())

    with pytest.raises(DataError, match=r"cannot find 1 of 1 images: 'gone\.png'"):
        zoo.prepare("folder_data", source, tmp_path / "out", task="instance", format="coco")


def test_command_line_reads_and_refuses_by_name(
    source: Path, tmp_path: Path, run_zoo: Callable[..., Any]
) -> None:
    """``--format`` is an option of the data set; an unknown one lists what reads."""
    box = LabelledObject(label="x", box=(1.0, 1.0, 9.0, 9.0))
    images = [LabelledImage(name="a.png", size=(32, 24), objects=(box,), tags=("night",))]
    Coco().write(Labels(classes=("x",), images=images), source / "labels.json", Report())
    words = ["data", "prepare", "folder_data", "--task", "instance", "--shares", "1,0,0"]
    words += ["--source", str(source), "--out", "out", "--format"]
    plugins = "folder_data,label_exchange"

    done = run_zoo(*words, "coco", plugins=plugins)
    refused = run_zoo(*words, "cocoa", plugins=plugins)

    assert done.returncode == 0, done.stderr
    assert "masks made from boxes" in done.stdout
    assert refused.returncode == 1
    assert "no format named 'cocoa' reads labels: there are coco" in refused.stderr


def _write_labelme(folder: Path) -> None:
    for name in ("a", "b"):
        points = [list(pair) for pair in zip(SQUARE[::2], SQUARE[1::2], strict=True)]
        shape = {"label": "ring", "points": points, "shape_type": "polygon", "group_id": None}
        content = {"shapes": [shape], "imagePath": f"images/{name}.png"}
        (folder / f"{name}.json").write_text(json.dumps(content))


def _write_cvat(folder: Path) -> None:
    Cvat().write(_squares(), folder / "annotations.xml", Report())


def _write_label_studio(folder: Path) -> None:
    LabelStudio().write(_squares(), folder / "tasks.json", Report())
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:
        task["annotations"] = task.pop("predictions")  # as an accepted prediction is exported
    (folder / "tasks.json").write_text(json.dumps(tasks))


def _write_yolo(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text("names: [ring]")
    shares = " ".join(str(value / (32, 24)[at % 2]) for at, value in enumerate(SQUARE))
    for name in ("a", "b"):
        (folder / "labels" / f"{name}.txt").write_text(f"0 {shares}")


def _write_voc(folder: Path) -> None:
    (folder / "SegmentationObject").mkdir()
    numbers = np.zeros((24, 32), np.uint8)
    numbers[4:20, 4:20] = 1
    for name in ("a", "b"):
        cv2.imwrite(str(folder / "SegmentationObject" / f"{name}.png"), numbers)
        text = f"<annotation><filename>{name}.png</filename><object><name>ring</name></object>"
        (folder / f"{name}.xml").write_text(f"{text}</annotation>")


def _squares() -> Labels:
    polygon = LabelledPolygon(outline=SQUARE)
    one = LabelledObject(label="ring", polygons=(polygon,), score=0.5)
    images = [
        LabelledImage(name=f"images/{name}.png", size=(32, 24), objects=(one,)) for name in "ab"
    ]
    return Labels(classes=("ring",), images=images)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("labelme", _write_labelme),
        ("cvat", _write_cvat),
        ("label_studio", _write_label_studio),
        ("yolo", _write_yolo),
        ("voc", _write_voc),
    ],
)
def test_every_format_gives_the_same_masks(
    source: Path, tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    """A square of 16 px in two of three images; the folder says which format it was."""
    write(source)

    report = zoo.prepare(
        "folder_data", source, tmp_path / "out", task="instance", shares="1,0,0", format=name
    )

    found = _masks(tmp_path / "out")
    empty = {"c": []} if name == "yolo" else {}  # an image without a file shows no object
    assert found == {"a": [("ring", 16 * 16)], "b": [("ring", 16 * 16)], **empty}
    assert report.counts["instances"] == 2
    content = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert content["options"]["format"] == name
