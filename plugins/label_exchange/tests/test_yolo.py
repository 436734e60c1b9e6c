# SPDX-License-Identifier: Apache-2.0
"""YOLO: text files as Ultralytics writes them, found beside and apart from their images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_label_exchange.shapes import NO_NUMBER
from zoo_label_exchange.yolo import CONFIDENCE, NO_FILE, NO_IMAGE, NO_LINE, Yolo

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledObject, Labels

Read = Callable[..., tuple[Labels, Report]]


def _picture(path: Path, width: int = 40, height: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.zeros((height, width), np.uint8))[1].tobytes())


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _numbers(each: LabelledObject) -> tuple[float, ...]:
    return each.polygons[0].outline if each.box is None else each.box


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_drawn_outlines_are_read_within_the_rounding_of_shares(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Six decimals of a side; nothing lost, and the classes in the order of their numbers."""
    labels = data.draw(drawn_labels(("polygon", "touching", "box")))
    folder = tmp_path_factory.mktemp("yolo")
    listed = "".join(
        f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(labels.classes)
    )
    _text(folder / "data.yaml", f"path: .\ntrain: images\nnames:\n{listed}")
    for image in labels.images:
        width, height = image.size or (0, 0)
        _picture(folder / "images" / image.name, width, height)
        lines = []
        for each in image.objects:
            numbers = list(_numbers(each))
            if each.box is not None:
                left, top, right, bottom = each.box
                numbers = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
            sides = np.resize([width, height], len(numbers))
            shares = " ".join(f"{value:.6f}" for value in np.divide(numbers, sides))
            lines.append(f"{labels.classes.index(each.label)} {shares}")
        _text(folder / "labels" / f"{image.name.removesuffix('.png')}.txt", "\n".join(lines))

    found, report = read_folder(Yolo(), folder, ".txt")

    assert found.classes == labels.classes
    by_name = {image.name: image for image in found.images}
    assert by_name.keys() == {f"images/{image.name}" for image in labels.images}
    for image in labels.images:
        read = by_name[f"images/{image.name}"]
        assert read.size == image.size
        for before, after in zip(image.objects, read.objects, strict=True):
            assert after.label == before.label
            assert _numbers(after) == pytest.approx(_numbers(before), abs=48 * 1.1e-6)
    assert (report.dropped, report.repaired, report.notes) == ([], [], [])


def test_folder_of_yolo_is_read(tmp_path: Path, read_folder: Read) -> None:
    """A box, an outline, a confidence, bad lines; an image without a file shows no object."""
    _picture(tmp_path / "train" / "images" / "a.png")
    _picture(tmp_path / "train" / "images" / "empty.png")
    _picture(tmp_path / "cover.png")
    _text(tmp_path / "data.yaml", "nc: 2\nnames: [tank, pond]\n")
    _text(tmp_path / "README.txt", "read me")
    lines = (
        "1 0.5 0.5 0.25 0.5",
        "0 0.1 0.1 0.2 0.1 0.2 0.2",
        "0 0.1 0.1 0.2 0.1 0.2 0.2 0.87",
        "",
        "0 0.1 0.1 0.2",
        "tank 0.1 0.1 0.2 0.2",
        "0 nan 0.1 0.2 0.2",
    )
    _text(tmp_path / "train" / "labels" / "a.txt", "\n".join(lines))

    labels, report = read_folder(Yolo(), tmp_path, ".txt")

    assert labels.classes == ("tank", "pond")
    first, second = labels.images
    assert (first.name, second.name) == ("train/images/a.png", "train/images/empty.png")
    box, outline, sure = first.objects
    assert (box.label, box.box) == ("pond", pytest.approx((15, 5, 25, 15)))
    assert outline.polygons[0].outline == pytest.approx((4, 2, 8, 2, 8, 4))
    assert sure.polygons == outline.polygons
    assert report.counts == {CONFIDENCE: 1}
    assert [(line.file, line.text) for line in report.notes] == [
        ("train/images/empty.png", NO_FILE)
    ]
    assert [(line.file, line.text) for line in report.dropped] == [
        ("README.txt", NO_IMAGE),
        ("train/labels/a.txt:5", NO_LINE),
        ("train/labels/a.txt:6", NO_LINE),
        ("train/labels/a.txt:7", NO_NUMBER),
    ]


def test_names_come_from_classes_txt_beside_the_images(tmp_path: Path, read_folder: Read) -> None:
    _picture(tmp_path / "a.png")
    _text(tmp_path / "a.txt", "1 0.5 0.5 0.5 0.5")
    _text(tmp_path / "classes.txt", "tank\nÖltank\n")

    labels, report = read_folder(Yolo(), tmp_path, ".txt")

    assert labels.classes == ("tank", "Öltank")
    assert [image.objects[0].label for image in labels.images] == ["Öltank"]
    assert report.dropped == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data.yaml": "names: [a]"}, "there is no image 'images/a'"),
        ({"images/a.png": ""}, "no file names its classes"),
        ({"images/a.png": "", "data.yaml": "names: ["}, r"'data\.yaml' as YOLO: it is not YAML"),
        ({"images/a.png": "", "data.yaml": "names: [[a]]"}, "class 0 has no number or no name"),
        (
            {"images/a.png": "", "data.yaml": "names: [a]"},
            "line 1 is of class 3, which has no name",
        ),
        (
            {"images/a.png": "", "a.yaml": "names: [a]", "b.yaml": "names: [b]"},
            "its names of classes differ from those of 'a.yaml'",
        ),
    ],
)
def test_what_is_missing_is_one_message(
    tmp_path: Path, read_folder: Read, files: dict[str, Any], said: str
) -> None:
    _text(tmp_path / "labels" / "a.txt", "3 0.5 0.5 0.5 0.5")
    for name, text in files.items():
        if name.endswith(".png"):
            _picture(tmp_path / name)
        else:
            _text(tmp_path / name, text)

    with pytest.raises(DataError, match=said):
        read_folder(Yolo(), tmp_path, ".txt")
