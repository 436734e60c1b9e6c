# SPDX-License-Identifier: Apache-2.0
"""labelme: its own files, as its version 5 writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as tools
from zoo_label_exchange.joining import MIXED
from zoo_label_exchange.labelme import BAD_MASK, IGNORED, Labelme
from zoo_label_exchange.shapes import CROSSES

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels

Read = Callable[..., tuple[Labels, Report]]


def _shape(label: str, points: Any, kind: str = "polygon", **more: Any) -> dict[str, Any]:
    own = {"label": label, "points": points, "group_id": None, "description": ""}
    return {**own, "shape_type": kind, "flags": {}, "mask": None, **more}


def _write(path: Path, shapes: list[dict[str, Any]], **more: Any) -> None:
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": "a.png"}
    content |= {"imageData": None, "imageHeight": 20, "imageWidth": 30}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, **more}), encoding="utf-8")


def _png(mask: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(cv2.imencode(".png", mask)[1].tobytes()).decode()


def _as_shapes(number: int, each: LabelledObject) -> list[dict[str, Any]]:
    """Return an object as labelme would keep it: parts are shapes of one group."""
    if each.box is not None:
        left, top, right, bottom = each.box
        return [_shape(each.label, [[right, bottom], [left, top]], "rectangle")]
    if each.rle is not None:
        pixels = tools.decode(dict(each.rle))
        rows, columns = np.nonzero(pixels)
        (y1, y2), (x1, x2) = (rows.min(), rows.max()), (columns.min(), columns.max())
        mask = _png(pixels[y1 : y2 + 1, x1 : x2 + 1])
        points = [[float(x1), float(y1)], [float(x2), float(y2)]]
        return [_shape(each.label, points, "mask", mask=mask)]
    group = number if len(each.polygons) > 1 else None
    return [
        _shape(each.label, np.reshape(polygon.outline, (-1, 2)).tolist(), group_id=group)
        for polygon in each.polygons
    ]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_drawn_shapes_are_read_as_they_are(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Points and pixels, nothing lost and nothing mended."""
    kinds = ("polygon", "parts", "touching", "mask", "box")
    labels, folder = data.draw(drawn_labels(kinds)), tmp_path_factory.mktemp("labelme")
    for image in labels.images:
        assert image.size is not None
        shapes = [
            shape for number, each in enumerate(image.objects) for shape in _as_shapes(number, each)
        ]
        stem, (width, height) = image.name.removesuffix(".png"), image.size
        _write(
            folder / f"{stem}.json",
            shapes,
            imagePath=image.name,
            imageWidth=width,
            imageHeight=height,
        )

    found, report = read_folder(Labelme(), folder, ".json")

    wanted = sorted(labels.images, key=lambda image: image.name.removesuffix("png") + "json")
    assert [_bare(image) for image in found.images] == [_bare(image) for image in wanted]
    used = {each.label for image in labels.images for each in image.objects}
    assert found.classes == tuple(sorted(used))
    assert (report.dropped, report.repaired) == ([], [])


def _bare(image: LabelledImage) -> Any:
    objects = [(each.label, each.polygons, each.rle, each.box) for each in image.objects]
    return image.name, image.size, objects


def test_file_of_labelme_is_read(tmp_path: Path, read_folder: Read) -> None:
    """Polygon, circle, line, flags; the image lies in a folder beside that of the labels."""
    shapes = [
        _shape("tank", [[1.5, 2], [9, 2], [9, 8]]),
        _shape("tank", [[20, 10], [23, 14]], "circle"),
        _shape("pipe", [[0, 0], [5, 5]], "line"),
        _shape("__ignore__", [[1, 2], [9, 2], [9, 8]]),
    ]
    flags = {"night": True, "rain": False}
    _write(tmp_path / "labels" / "a.json", shapes, imagePath="..\\images\\a.png", flags=flags)

    labels, report = read_folder(Labelme(), tmp_path, ".json")

    (image,) = labels.images
    assert (image.name, image.size, image.tags) == ("images/a.png", (30, 20), ("night",))
    polygon, circle = image.objects
    assert polygon.polygons[0].outline == (1.5, 2.0, 9.0, 2.0, 9.0, 8.0)
    points = np.reshape(circle.polygons[0].outline, (-1, 2))
    np.testing.assert_allclose(np.hypot(*(points - (20, 10)).T), 5.0)
    assert [(line.file, line.text) for line in report.dropped] == [
        ("labels/a.json:shape 3", "a 'line' is no region"),
        ("labels/a.json:shape 4", IGNORED),
    ]


def test_parts_of_polygon_and_mask_are_one_mask(tmp_path: Path, read_folder: Read) -> None:
    """Counted, because the polygon becomes pixels."""
    square = [[1, 1], [5, 1], [5, 5], [1, 5]]
    mask = _png(np.ones((2, 3), np.uint8))
    shapes = [
        _shape("tank", square, group_id=4),
        _shape("tank", [[10, 10], [12, 11]], "mask", mask=mask, group_id=4),
        _shape("pond", square, group_id=4),
    ]
    _write(tmp_path / "a.json", shapes)

    labels, report = read_folder(Labelme(), tmp_path, ".json")

    tank, pond = next(iter(labels.images)).objects
    assert tank.rle is not None
    assert int(tools.area(dict(tank.rle))) == 16 + 6
    assert pond.polygons
    assert [line.text for line in report.repaired] == [MIXED]


@pytest.mark.parametrize("mask", [None, "no base64!", _png(np.ones((9, 9), np.uint8)), "AAAA"])
def test_mask_that_is_no_picture_of_its_box_is_counted(
    tmp_path: Path, read_folder: Read, mask: str | None
) -> None:
    _write(tmp_path / "a.json", [_shape("tank", [[1, 1], [3, 2]], "mask", mask=mask)])

    labels, report = read_folder(Labelme(), tmp_path, ".json")

    assert next(iter(labels.images)).objects == ()
    assert [line.text for line in report.dropped] == [BAD_MASK]


def test_self_crossing_polygon_is_mended_and_counted(tmp_path: Path, read_folder: Read) -> None:
    _write(tmp_path / "a.json", [_shape("tank", [[0, 0], [4, 4], [4, 0], [0, 4]])])

    labels, report = read_folder(Labelme(), tmp_path, ".json")

    assert len(next(iter(labels.images)).objects[0].polygons) == 2
    assert [(line.file, line.text) for line in report.repaired] == [("a.json:shape 1", CROSSES)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"images": [], "annotations": [], "categories": []}', "it has no list 'shapes'"),
        ("[]", "it has no list 'shapes'"),
        ("{", "it is not JSON"),
        ('{"shapes": [{"points": []}], "imagePath": "a.png"}', "shape 1 has no label"),
    ],
)
def test_other_json_in_the_folder_is_refused_by_its_name(
    tmp_path: Path, read_folder: Read, text: str, said: str
) -> None:
    _write(tmp_path / "a.json", [])
    (tmp_path / "instances.json").write_text(text)

    with pytest.raises(DataError, match=rf"'instances\.json' as labelme: .*{said}") as caught:
        read_folder(Labelme(), tmp_path, ".json")

    assert caught.value.hint is not None
    assert "--annotations" in caught.value.hint
