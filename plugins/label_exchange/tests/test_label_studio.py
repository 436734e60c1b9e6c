# SPDX-License-Identifier: Apache-2.0
"""Label Studio: exports read, predictions written, brushes bit by bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as tools
from zoo_label_exchange.brush import BrushError, pack, unpack
from zoo_label_exchange.label_studio import BRUSHED, CANCELLED, SECOND, UNSURE, LabelStudio
from zoo_label_exchange.masks import EMPTY

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

Read = Callable[..., tuple[Labels, Report]]
KINDS = ("polygon", "holes", "parts", "touching", "mask", "box")


def _decoded(packed: list[int]) -> list[int]:
    """Return the samples, as rle-pack's own decode() of JavaScript goes through the bits."""
    bits = [byte >> shift & 1 for byte in packed for shift in range(7, -1, -1)]
    place = 0

    def read(count: int) -> int:
        nonlocal place
        value = 0
        for bit in bits[place : place + count]:
            value = 2 * value + bit
        place += count
        return value

    number, size = read(32), read(5) + 1
    counts = [read(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < number:
        is_run = read(1)
        length = read(counts[read(2)]) + 1
        out += [read(size)] * length if is_run else [read(size) for _ in range(length)]
    return out


@st.composite
def _masks(draw: Any) -> np.ndarray[Any, Any]:
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits).reshape(height, width)


@given(_masks())
def test_packed_brush_is_what_label_studio_decodes(mask: np.ndarray[Any, Any]) -> None:
    """Four samples a pixel, row by row; and `unpack` finds the mask again."""
    packed = pack(mask)

    assert _decoded(packed) == (255 * np.repeat(mask.ravel(), 4).astype(int)).tolist()
    np.testing.assert_array_equal(unpack(packed, mask.shape[1], mask.shape[0]), mask)


def test_large_brush_is_packed_in_blocks() -> None:
    """A run of more than 65536 samples is several."""
    mask = np.zeros((400, 500), bool)
    mask[100:300] = True

    packed = pack(mask)

    assert len(packed) < 64
    np.testing.assert_array_equal(unpack(packed, 500, 400), mask)


def test_brush_of_single_samples_is_read() -> None:
    """What rle-pack writes where samples differ from one to the next: blocks without runs."""
    samples = [1, 2, 3, 255, 9, 9, 9, 127, 0, 0, 0, 128]
    words = [f"{12:032b}", f"{7:05b}", *(f"{bits - 1:04b}" for bits in (3, 4, 8, 16))]
    words += ["0", "01", f"{11:04b}", *(f"{sample:08b}" for sample in samples)]
    text = "".join(words)
    text += "0" * (-len(text) % 8)
    packed = [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]

    assert unpack(packed, 3, 1).tolist() == [[True, False, True]]
    assert _decoded(packed) == samples


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(1, 9), st.integers(1, 9))
def test_damaged_brush_is_a_clause_and_no_crash(packed: list[int], width: int, height: int) -> None:
    with pytest.raises(BrushError, match="its run lengths"):
        unpack([*(0, 0, 0, 0), *packed], width, height)
    whole = pack(np.ones((height, width), bool))
    with pytest.raises(BrushError, match="its run lengths end early"):
        unpack(whole[:-2], width, height)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_accepted_predictions_are_read_back(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    pixels_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Polygons within the rounding of percent, masks by their pixels, brushes of parts counted.

    Label Studio turns an accepted prediction into an annotation of the same results.
    """
    labels, folder = data.draw(drawn_labels(KINDS)), tmp_path_factory.mktemp("ls")
    report = Report()

    LabelStudio().write(labels, folder / "tasks.json", report)
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    accepted = [
        {"id": number, "data": task["data"], "annotations": task["predictions"]}
        for number, task in enumerate(tasks, 1)
    ]
    (folder / "tasks.json").write_text(json.dumps(accepted))
    found, told = read_folder(LabelStudio(), folder, ".json")

    brushed: list[str] = []
    lost: list[tuple[str, str]] = []
    for wanted, image in zip(labels.images, found.images, strict=True):
        assert image.name == wanted.name
        size, kept = wanted.size or (0, 0), []
        for before in wanted.objects:
            is_brush = len(before.polygons) > 1 or any(part.holes for part in before.polygons)
            if is_brush and not pixels_of(before, size).any():
                lost.append((wanted.name, EMPTY))
            else:
                brushed += [BRUSHED] * is_brush
                kept.append((before, is_brush or before.rle is not None))
        for (before, is_drawn), after in zip(kept, image.objects, strict=True):
            assert after.label == before.label
            if is_drawn:
                np.testing.assert_array_equal(pixels_of(after, size), pixels_of(before, size))
            else:
                assert _numbers(after) == pytest.approx(_numbers(before))
    assert [line.text for line in report.repaired] == brushed
    assert [(line.file, line.text) for line in report.dropped] == lost
    assert told.dropped == told.repaired == []


def _numbers(each: LabelledObject) -> tuple[float, ...]:
    return each.polygons[0].outline if each.box is None else each.box


def _result(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    names = {"from_name": "label", "to_name": "image"}
    return {"id": "x1", "type": kind, "value": value, **size, **names, **more}


def _export(path: Path, *results: dict[str, Any], **task: Any) -> None:
    annotation = {"id": 7, "completed_by": 1, "was_cancelled": False, "result": list(results)}
    data = {"image": "/data/upload/1/0123abcd-north%20a.png"}
    content = {"id": 3, "annotations": [annotation], "data": data, "predictions": [], **task}
    path.write_text(json.dumps([content]), encoding="utf-8")


def test_export_of_label_studio_is_read(tmp_path: Path, read_folder: Read) -> None:
    """Percent become px; a rectangle turns about its corner; choices are tags; the rest counts."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "north a.png").touch()
    polygon = {"points": [[10, 10], [20, 10], [20, 30]], "closed": True, "polygonlabels": ["pond"]}
    turned = {"x": 50, "y": 50, "width": 10, "height": 10, "rotation": 90}
    ellipse = {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10, "rotation": 0}
    _export(
        tmp_path / "export.json",
        _result("polygonlabels", polygon),
        _result("rectanglelabels", {**turned, "rotation": 0, "rectanglelabels": ["tank"]}),
        _result("rectanglelabels", {**turned, "rectanglelabels": ["tank"]}),
        _result("ellipselabels", {**ellipse, "ellipselabels": ["tank", "pond"]}),
        _result("keypointlabels", {"x": 1, "y": 1, "width": 1, "keypointlabels": ["tank"]}),
        _result("choices", {"choices": ["night"]}),
        _result("polygonlabels", {"points": [[1, 1], [2, 2], [3, 3]], "polygonlabels": ["pond"]}),
        _result("brushlabels", {"format": "rle", "rle": [0, 1], "brushlabels": ["pond"]}),
        _result("polygonlabels", {"points": [["a", 1]], "polygonlabels": ["pond"]}),
        _result("polygonlabels", {"points": [[1, 1], [2, 1], [2, 2]]}),
    )

    labels, report = read_folder(LabelStudio(), tmp_path, ".json")

    (image,) = labels.images
    assert labels.classes == ("pond", "tank")
    assert (image.name, image.size, image.tags) == ("images/north a.png", (200, 100), ("night",))
    pond, box, corners, *round_ones = image.objects
    assert pond.polygons[0].outline == pytest.approx((20, 10, 40, 10, 40, 30))
    assert box.box == pytest.approx((100, 50, 120, 60))
    assert corners.polygons[0].outline == pytest.approx((100, 50, 100, 70, 90, 70, 90, 50))
    assert [each.label for each in round_ones] == ["tank", "pond"]
    points = np.reshape(round_ones[0].polygons[0].outline, (-1, 2)) - (100, 50)
    np.testing.assert_allclose(np.hypot(*points.T), 10)
    assert [line.text for line in report.dropped] == [
        "a result 'keypointlabels' is no region",
        "outline has no area",
        "its run lengths end early",
        "outline has a coordinate that is no finite number",
        "result has no label",
    ]


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("/data/local-files/?d=scans/a%20b.png", "a b.png"),
        ("s3://bucket/scans/a%20b.png", "a b.png"),
        ("https://example.org/x/a%20b.png?size=1", "a b.png"),
        ("/data/upload/3/deadbeef-a b.png", "a b.png"),
        ("/data/local-files/?d=north/here.png", "images/north/here.png"),
    ],
)
def test_link_leads_to_the_file_of_its_longest_end(
    tmp_path: Path, read_folder: Read, link: str, name: str
) -> None:
    for place in ("north", "south"):
        (tmp_path / "images" / place).mkdir(parents=True)
        (tmp_path / "images" / place / "here.png").touch()
    _export(tmp_path / "export.json", data={"picture": link})

    labels, _ = read_folder(LabelStudio(), tmp_path, ".json")

    assert [image.name for image in labels.images] == [name]


def test_skipped_second_and_missing_annotations_are_counted(
    tmp_path: Path, read_folder: Read
) -> None:
    skipped, one = {"was_cancelled": True, "result": []}, {"result": []}
    data = {"image": "a.png"}
    tasks = [
        {"id": 1, "data": data, "annotations": [skipped, one, one]},
        {"id": 2, "data": data, "annotations": [], "predictions": [one]},
    ]
    (tmp_path / "a.json").write_text(json.dumps(tasks))

    labels, report = read_folder(LabelStudio(), tmp_path, ".json")

    assert len(list(labels.images)) == 1
    assert [(line.file, line.text) for line in report.dropped] == [
        ("a.json:task 1", CANCELLED),
        ("a.json:task 1", SECOND),
        ("a.json:task 2", UNSURE),
    ]


def test_predictions_carry_scores_and_what_cannot_be_said_is_counted(tmp_path: Path) -> None:
    square = LabelledPolygon(outline=(0.0, 0.0, 5.0, 0.0, 5.0, 10.0))
    encoded = tools.encode(np.asfortranarray(np.eye(10, dtype=np.uint8)))
    rle = {"size": [10, 10], "counts": encoded["counts"].decode()}
    nothing = tools.encode(np.zeros((10, 10), np.uint8, order="F"))
    empty = {"size": [10, 10], "counts": nothing["counts"].decode()}
    objects = (
        LabelledObject(label="x", rle=empty, score=0.25, source="3"),
        LabelledObject(label="x", polygons=(square,), score=0.5),
        LabelledObject(label="x", rle=rle, score=0.75),
        LabelledObject(label="x", rle=rle, is_crowd=True),
    )
    images = [
        LabelledImage(name="north/a b.png", size=(10, 10), objects=objects, tags=("night",)),
        LabelledImage(name="b.png"),
    ]
    report = Report()

    LabelStudio().write(Labels(classes=("x",), images=images), tmp_path / "a.json", report)

    (task,) = json.loads((tmp_path / "a.json").read_text())
    (prediction,) = task["predictions"]
    polygon, brush = prediction["result"]
    assert task["data"] == {"image": "/data/local-files/?d=north/a%20b.png"}
    assert prediction["score"] == 0.625
    assert polygon["value"]["points"] == [[0, 0], [50, 0], [50, 100]]
    assert (polygon["from_name"], polygon["to_name"]) == ("polygon", "image")
    assert (brush["type"], brush["from_name"], brush["score"]) == ("brushlabels", "brush", 0.75)
    alpha = np.reshape(_decoded(brush["value"]["rle"]), (10, 10, 4))[..., 3]
    np.testing.assert_array_equal(alpha, 255 * np.eye(10))
    files = ["north/a b.png", "3", "north/a b.png", "b.png"]
    assert [line.file for line in report.dropped] == files
    assert report.dropped[1].text == EMPTY


@pytest.mark.parametrize("text", ["{}", '[{"id": 1, "image": "a.png", "label": []}]', "[1]"])
def test_other_json_is_refused_by_its_name(tmp_path: Path, read_folder: Read, text: str) -> None:
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(DataError, match=r"'a\.json' as Label Studio: it is no list of tasks"):
        read_folder(LabelStudio(), tmp_path, ".json")
