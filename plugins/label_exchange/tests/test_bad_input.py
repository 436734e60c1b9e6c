# SPDX-License-Identifier: Apache-2.0
"""Files by strangers and by accident: one message, or a count, and never much memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_label_exchange.cvat import BAD_MASK, Cvat
from zoo_label_exchange.label_studio import UNSURE, LabelStudio
from zoo_label_exchange.labelme import NO_LABEL, NO_SIZE, Labelme
from zoo_label_exchange.shapes import NO_NUMBER
from zoo_label_exchange.yolo import Yolo

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import Labels

Read = Callable[..., tuple[Labels, Report]]


def _labelme(folder: Path, size: tuple[int, int], *shapes: dict[str, Any]) -> None:
    sides = dict(zip(("imageWidth", "imageHeight"), size, strict=True))
    content = {"imagePath": "a.png", "shapes": shapes, **sides}
    (folder / "a.json").write_text(json.dumps(content))


def _cvat(folder: Path, side: int, *shapes: str) -> None:
    image = f'<image id="0" name="a.png" width="{side}" height="{side}">{"".join(shapes)}</image>'
    (folder / "a.xml").write_text(f"<annotations><meta/>{image}</annotations>")


def _tasks(folder: Path, result: Any, **task: Any) -> None:
    whole = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": result}], **task}
    (folder / "a.json").write_text(json.dumps([whole]))


def _result(value: dict[str, Any], *, width: Any = 40, kind: str = "rectanglelabels") -> Any:
    sides = {"original_width": width, "original_height": 20}
    return {"type": kind, "value": {**value, kind: ["x"]}, **sides}


BOX = {"x": 10, "y": 10, "width": 50, "height": 50}


def _reasons(report: Report) -> list[str]:
    return [line.text for line in report.dropped]


def test_boxes_without_finite_numbers_are_counted(tmp_path: Path, read_folder: Read) -> None:
    """Of labelme, CVAT and Label Studio: not a number, infinite, or absurdly far away."""
    folders = [tmp_path / name for name in ("labelme", "cvat", "studio")]
    for folder in folders:
        folder.mkdir()
    far = {"label": "x", "shape_type": "rectangle", "points": [[0, 0], [1e300, 2]]}
    _labelme(folders[0], (40, 20), far)
    corners = [("nan", "4"), ("-inf", "inf"), ("1", "1e300")]
    _cvat(
        folders[1],
        40,
        *(f'<box label="x" xtl="{a}" ytl="1" xbr="{b}" ybr="5"/>' for a, b in corners),
    )
    _tasks(folders[2], [_result({**BOX, "x": 1e308, "width": 1e308}, width=4000)])

    for folder, exchange, count in zip(
        folders, (Labelme, Cvat, LabelStudio), (1, 3, 1), strict=True
    ):
        labels, report = read_folder(exchange(), folder, ".json", ".xml")
        assert [image.objects for image in labels.images] == [()]
        assert _reasons(report) == [NO_NUMBER] * count


def test_masks_of_absurd_images_take_no_memory(tmp_path: Path, read_folder: Read) -> None:
    """A side of a million pixels is no image; run lengths that are a number are none."""
    folders = [tmp_path / name for name in ("labelme", "cvat", "studio", "run")]
    for folder in folders:
        folder.mkdir()
    mask = {"label": "x", "shape_type": "mask", "points": [[0, 0], [2, 2]], "mask": "AAAA"}
    _labelme(folders[0], (10**6, 10**6), mask, {"label": "", "points": []})
    _cvat(folders[1], 10**6, '<mask label="x" rle="0, 9" left="0" top="0" width="3" height="3"/>')
    _tasks(folders[2], [_result({"rle": []}, width=10**8, kind="brushlabels")])
    _tasks(folders[3], [_result({"rle": 10**12}, kind="brushlabels")])

    labels, report = read_folder(Labelme(), folders[0], ".json")
    assert (next(iter(labels.images)).size, _reasons(report)) == (None, [NO_SIZE, NO_LABEL])
    with pytest.raises(DataError, match="lacks a name, a width or a height"):
        read_folder(Cvat(), folders[1], ".xml")
    with pytest.raises(DataError, match="task 1 state no size that an image can have"):
        read_folder(LabelStudio(), folders[2], ".json")
    _, report = read_folder(LabelStudio(), folders[3], ".json")
    assert _reasons(report) == ["its run lengths are no bytes"]


@pytest.mark.parametrize(
    ("runs", "left"), [("0, 1000000000000", 0), ("0, -1", 0), ("1,,1", 0), ("0, 4", 39)]
)
def test_run_lengths_of_cvat_fit_their_box(
    tmp_path: Path, read_folder: Read, runs: str, left: int
) -> None:
    _cvat(
        tmp_path, 40, f'<mask label="x" rle="{runs}" left="{left}" top="0" width="2" height="2"/>'
    )

    _, report = read_folder(Cvat(), tmp_path, ".xml")

    assert _reasons(report) == [BAD_MASK]


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" encoding="klingon"?><annotations><meta/></annotations>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations>&b;</annotations>',
        "<annotations><meta>&lol;</meta></annotations>",
    ],
)
def test_entities_and_unknown_encodings_are_refused(
    tmp_path: Path, read_folder: Read, text: str
) -> None:
    (tmp_path / "a.xml").write_text(text)

    with pytest.raises(DataError, match=r"cannot read 'a\.xml' as CVAT"):
        read_folder(Cvat(), tmp_path, ".xml")


def test_oddities_of_label_studio_are_told(tmp_path: Path, read_folder: Read) -> None:
    """Sides as 40.0, a list as a side, annotations that are none, no list of results."""
    _tasks(tmp_path, [_result(BOX, width=40.0)])
    labels, _ = read_folder(LabelStudio(), tmp_path, ".json")
    assert [image.size for image in labels.images] == [(40, 20)]

    _tasks(tmp_path, [], annotations=5)
    _, report = read_folder(LabelStudio(), tmp_path, ".json")
    assert _reasons(report) == [UNSURE]

    _tasks(tmp_path, [], data={"image": "http://[x/a.png"})
    labels, _ = read_folder(LabelStudio(), tmp_path, ".json")
    assert [image.name for image in labels.images] == ["http://[x/a.png"]

    _tasks(tmp_path, [], data={"photo": "/data/upload/1/a.png", "text": "by night"})
    labels, _ = read_folder(LabelStudio(), tmp_path, ".json")
    assert [image.name for image in labels.images] == ["a.png"]

    for result in ({"a": 1}, [1], [_result(BOX, width=[40])]):
        _tasks(tmp_path, result)
        with pytest.raises(DataError, match=r"task 1 (has no list|state no size)"):
            read_folder(LabelStudio(), tmp_path, ".json")


def _yolo(folder: Path, names: str, line: str = "0 0.5 0.5 0.5 0.5") -> None:
    picture = cv2.imencode(".png", np.zeros((20, 40), np.uint8))[1].tobytes()
    (folder / "a.png").write_bytes(picture)
    (folder / "a.txt").write_text(line)
    (folder / "data.yaml").write_text(names)


def test_names_of_yolo_are_texts(tmp_path: Path, read_folder: Read) -> None:
    """YAML would make a class `no` false, and 007 seven; a tag would make objects."""
    ran = tmp_path / "ran"
    _yolo(tmp_path, f"x: !!python/object/apply:os.mkdir ['{ran}']\nnames: [no, 007, !!int x]")

    labels, _ = read_folder(Yolo(), tmp_path, ".txt")

    assert labels.classes == ("no", "007", "x")
    assert not os.path.exists(ran)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("names: [a, a]", "names the class 'a' twice"),
        ("names: ['']", "class 0 has no number or no name"),
        ("names: {x: a}", "class 'x' has no number or no name"),
        ("names: [a]\nkpt_shape: [3, 3]", "describes keypoints"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b]", "class 0 has no number or no name"),
    ],
)
def test_doubtful_names_of_yolo_are_refused(
    tmp_path: Path, read_folder: Read, names: str, said: str
) -> None:
    _yolo(tmp_path, names)

    with pytest.raises(DataError, match=rf"'data\.yaml' as YOLO: .*{said}"):
        read_folder(Yolo(), tmp_path, ".txt")


def test_numbers_of_classes_txt_are_its_lines(tmp_path: Path, read_folder: Read) -> None:
    """An empty line does not move the classes after it."""
    _yolo(tmp_path, "", "2 0.5 0.5 0.5 0.5")
    (tmp_path / "classes.txt").write_text("x\n\ny\n")

    labels, _ = read_folder(Yolo(), tmp_path, ".txt")

    assert [image.objects[0].label for image in labels.images] == ["y"]


def test_large_file_of_outlines_is_read(tmp_path: Path, read_folder: Read) -> None:
    turns = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    points = np.stack([np.cos(turns), np.sin(turns)], axis=1) * 0.4 + 0.5
    line = "0 " + " ".join(f"{share:.6f}" for share in points.ravel())
    _yolo(tmp_path, "names: [x]", "\n".join([line] * 60))
    assert (tmp_path / "a.txt").stat().st_size > 2**20

    labels, _ = read_folder(Yolo(), tmp_path, ".txt")

    assert [len(image.objects) for image in labels.images] == [60]
