# SPDX-License-Identifier: Apache-2.0
"""What annotation tools export beside the format: read where it is clear, else refused once.

Sources: public reports on cocoapi (373, 554), faster_coco_eval (58), darwin-py (1173) and
fastlabel-sdk (216), and exports of Roboflow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
cv2 = pytest.importorskip("cv2")
np = pytest.importorskip("numpy")

from zoo_folder_data.prepare_coco import prepare  # noqa: E402 (after the skip)

from zoo.data import Shares, check_prepared  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
POLYGON = [10, 10, 30, 10, 30, 26, 10, 26]
Content = dict[str, Any]
Change = Callable[[Content], object]


def write(root: Path, change: Change) -> Path:
    """Write four grey ramps with a rectangle each, and a JSON in which one thing is odd."""
    (root / "images").mkdir(parents=True)
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))
    for number, name in enumerate("abcd"):
        assert cv2.imwrite(str(root / f"images/{name}.png"), ramp + number)
    content: Content = {
        "images": [
            {"id": n, "width": 64, "height": 48, "file_name": f"{name}.png"}
            for n, name in enumerate("abcd", start=1)
        ],
        "categories": [{"id": 1, "name": "tank", "supercategory": ""}],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "bbox": [10, 10, 20, 16],
                "area": 320,
                "iscrowd": 0,
                "segmentation": [POLYGON],
            }
            for n in range(1, 5)
        ],
    }
    change(content)
    text = json.dumps(content, ensure_ascii=False)
    (root / "_annotations.coco.json").write_text(text, encoding="utf-8")
    return root


def each(block: str, **values: Any) -> Change:
    """Return a change of the same keys in every row of a block."""

    def change(content: Content) -> None:
        for row in content[block]:
            row.update(values)

    return change


def with_categories(*names: str) -> Change:
    def change(content: Content) -> None:
        content["categories"] = [
            {"id": n, "name": name, "supercategory": "none"} for n, name in enumerate(names)
        ]

    return change


def runs(size: list[int], counts: Any) -> Change:
    return each("annotations", segmentation={"size": size, "counts": counts})


def twice(content: Content) -> None:
    content["annotations"] += [row | {"id": row["id"] + 10} for row in content["annotations"]]


# 16 rows of 20 columns from (10, 10), column by column.
COUNTS = [10 * 48 + 10, *[16, 32] * 19, 16, 34 * 48 + 22]
READ: dict[str, tuple[Change, dict[str, int], list[str]]] = {
    # what is odd, instances of each class, what is noted
    "as it is": (lambda c: None, {"tank": 4}, []),
    "category 0": (
        lambda c: [each("categories", id=0)(c), each("annotations", category_id=0)(c)],
        {"tank": 4},
        [],
    ),
    "supercategory as a category": (
        with_categories("tanks", "tank"),
        {"tanks": 0, "tank": 4},
        ["class 'tanks' occurs in no scene"],
    ),
    "no annotations": (
        lambda c: c["annotations"].clear(),
        {"tank": 0},
        ["class 'tank' occurs in no scene", *["no instance in the scene"] * 4],
    ),
    "objects twice": (
        twice,
        {"tank": 8},
        ["repeats an earlier annotation of its image"] * 4,
    ),
    "no iscrowd": (lambda c: [row.pop("iscrowd") for row in c["annotations"]], {"tank": 4}, []),
    "iscrowd false": (each("annotations", iscrowd=False), {"tank": 4}, []),
    "no area": (lambda c: [row.pop("area") for row in c["annotations"]], {"tank": 4}, []),
    "area of text": (each("annotations", area="320"), {"tank": 4}, []),
    "no supercategory": (
        lambda c: [row.pop("supercategory") for row in c["categories"]],
        {"tank": 4},
        [],
    ),
    "attributes": (
        each("annotations", attributes={"occluded": False}, keypoints=[1, 2, 2]),
        {"tank": 4},
        [],
    ),
    "box of floats": (each("annotations", bbox=[10.0, 10.0, 20.0, 16.0]), {"tank": 4}, []),
    "no box": (lambda c: [row.pop("bbox") for row in c["annotations"]], {"tank": 4}, []),
    "corners for a box": (each("annotations", bbox=[10, 10, 30, 26]), {"tank": 4}, []),
    "run lengths": (runs([48, 64], COUNTS), {"tank": 4}, []),
    "closed outline": (each("annotations", segmentation=[[*POLYGON, 10, 10]]), {"tank": 4}, []),
    "outline beyond the image": (
        each("annotations", segmentation=[[-5, 10, 30, 10, 30, 26, -5, 26]], bbox=[-5, 10, 35, 16]),
        {"tank": 4},
        [],
    ),
    "names of other scripts": (
        with_categories("Öltank", "유조탱크"),
        {"Öltank": 0, "유조탱크": 4},
        ["class 'Öltank' occurs in no scene"],
    ),
    "images of no annotation": (
        lambda c: c["annotations"].__delitem__(slice(1, 4)),
        {"tank": 1},
        ["no instance in the scene"] * 3,
    ),
}


@pytest.mark.parametrize(("change", "instances", "notes"), READ.values(), ids=READ)
def test_prepare_when_export_is_odd_but_clear_then_read(
    tmp_path: Path, change: Change, instances: dict[str, int], notes: list[str]
) -> None:
    """The objects are those of the plain export, and nothing is dropped."""
    report = prepare(write(tmp_path / "raw", change), tmp_path / "out", shares=ALL)

    assert report.instances == instances
    assert sorted(line.text for line in report.notes) == sorted(notes)
    assert report.dropped == []
    assert check_prepared(tmp_path / "out") == []
    rows = json.loads((tmp_path / "out/annotations/train.json").read_text())["annotations"]
    assert {row["area"] for row in rows} <= {320, 480}


REFUSED: dict[str, tuple[Change, int, str]] = {
    # what is odd, lines of the message, what is said
    "ids of text": (each("images", id="img"), 1, "image number 0 and 3 more images: id is 'img'"),
    "category ids of text": (
        each("annotations", category_id="1"),
        5,
        "annotation 1: category_id is '1', expected a whole number",
    ),
    "annotations by id": (
        lambda c: c.update(annotations={str(row["id"]): row for row in c["annotations"]}),
        1,
        "it has no list called 'annotations'",
    ),
    "no categories": (
        lambda c: [c["categories"].clear(), c["annotations"].clear()],
        1,
        "its list 'categories' is empty",
    ),
    "no block of categories": (lambda c: c.pop("categories"), 1, "no list called 'categories'"),
    "no images": (lambda c: [c["images"].clear(), c["annotations"].clear()], 1, "lists no images"),
    "two categories of one name": (
        with_categories("tank", "tank"),
        1,
        "two categories have the name 'tank'",
    ),
    "empty outlines": (each("annotations", segmentation=[[]]), 5, "found a polygon of 0 points"),
    "one empty part": (
        lambda c: c["annotations"][0].update(segmentation=[POLYGON, []]),
        1,
        "annotation 1: found a polygon of 0 points",
    ),
    "corners for an outline": (
        each("annotations", segmentation=[[10, 10, 30, 26]]),
        5,
        "found a polygon of 2 points",
    ),
    "sides for a size": (runs([64, 48], [0, 3072]), 5, "has the size [64, 48], expected [48, 64]"),
    "bytes as Python prints them": (runs([48, 64], "b'T5h0Q1'"), 5, "as Python prints bytes"),
    "iscrowd null": (each("annotations", iscrowd=None), 5, "annotation 1: iscrowd is null"),
    "sizes missing": (
        lambda c: [row.pop("width") for row in c["images"]],
        1,
        "image 1 and 3 more images: width is missing",
    ),
    "sizes swapped": (
        each("images", width=48, height=64),
        5,
        "the image has 64x48 px, expected 48x64",
    ),
    "sizes of another export": (
        each("images", width=640, height=480),
        5,
        "the image has 64x48 px, expected 640x480",
    ),
    "negative box": (
        each("annotations", bbox=[30, 26, -20, -16]),
        5,
        "bbox is [30, 26, -20, -16], expected [x, y, width, height]",
    ),
    "nan": (each("annotations", bbox=[float("nan")] * 4), 5, "bbox is [nan, nan, nan, nan]"),
    "shares for pixels": (
        each("annotations", bbox=[0.2, 0.2, 0.3, 0.3], segmentation=[]),
        1,
        "cannot use any of 4 objects",
    ),
    "image twice": (
        lambda c: c["images"].append(c["images"][0] | {"id": 9}),
        1,
        "two images have the file 'a.png'",
    ),
    "all crowds": (each("annotations", iscrowd=True), 1, "each of its 4 objects has iscrowd 1"),
    "all crowds, as floats": (each("annotations", iscrowd=1.0), 1, "has iscrowd 1"),
}


@pytest.mark.parametrize(("change", "lines", "says"), REFUSED.values(), ids=REFUSED)
def test_prepare_when_export_is_odd_and_unclear_then_the_cause_once(
    tmp_path: Path, change: Change, lines: int, says: str
) -> None:
    """The file is named, and no fault that follows from another."""
    raw = write(tmp_path / "raw", change)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert says in caught.value.message
    assert len(caught.value.message.splitlines()) == lines
    assert caught.value.where
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
