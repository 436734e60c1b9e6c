# SPDX-License-Identifier: Apache-2.0
"""A COCO JSON is read as it says, and what breaks its format is named by its id."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
tools = pytest.importorskip("pycocotools.mask")

from zoo.data import read_coco  # noqa: E402 (after the skip)
from zoo.data.coco.masks import (  # noqa: E402
    area_of,
    box_of_segmentation,
    encode_window,
    find_rle_fault,
    roi_of,
    to_json,
)
from zoo.data.geometry.windows import Window  # noqa: E402
from zoo.errors import DataError  # noqa: E402

TRIANGLE = [1, 1, 8, 1, 1, 7]


def content() -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "a.png", "width": 12, "height": 10}],
        "categories": [{"id": 7, "name": "tree"}, {"id": 3, "name": "house"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 5,
                "category_id": 7,
                "bbox": [1, 1, 7, 6],
                "segmentation": [TRIANGLE],
            },
            {"id": 2, "image_id": 5, "category_id": 3, "bbox": [0, 0, 4, 4]},
            {
                "id": 9,
                "image_id": 5,
                "category_id": 3,
                "segmentation": {"size": [10, 12], "counts": [10, 5, 105]},
                "iscrowd": 1,
            },
        ],
    }


def read(data: dict[str, Any]) -> Any:
    return read_coco(json.dumps(data).encode(), "raw/coco.json")


def test_read_coco_when_whole_then_as_it_says() -> None:
    """Polygons, a box alone, run lengths; categories by id; a byte order mark does no harm."""
    found = read_coco(b"\xef\xbb\xbf" + json.dumps(content()).encode(), "raw/coco.json")

    assert list(found.categories.items()) == [(3, "house"), (7, "tree")]
    assert [image.file_name for image in found.images] == ["a.png"]
    first, second, third = found.annotations
    assert (first.box, first.segmentation, first.is_crowd) == ((1, 1, 8, 7), [TRIANGLE], False)
    assert (second.box, second.segmentation) == ((0, 0, 4, 4), None)
    assert (third.box, third.is_crowd) == (None, True)


Spoil = Callable[[dict[str, Any]], object]
ROWS: dict[str, tuple[Spoil, str]] = {
    "no images": (lambda c: c.pop("images"), "it has no list called 'images'"),
    "no annotations": (lambda c: c.update(annotations={}), "no list called 'annotations'"),
    "image twice": (lambda c: c["images"].append(c["images"][0]), "image 5: found this id twice"),
    "annotation twice": (
        lambda c: c["annotations"][1].update(id=1),
        "annotation 1: found this id twice",
    ),
    "category twice": (
        lambda c: c["categories"][1].update(id=7),
        "category 7: found this id twice",
    ),
    "name twice": (
        lambda c: c["categories"][1].update(name="tree"),
        "two categories have the name 'tree'",
    ),
    "file twice": (
        lambda c: c["images"].append(c["images"][0] | {"id": 6}),
        "two images have the file 'a.png'",
    ),
    "unknown category": (
        lambda c: c["annotations"][0].update(category_id=4),
        "annotation 1: category_id is 4, expected one of 3, 7",
    ),
    "unknown image": (
        lambda c: c["annotations"][0].update(image_id=4),
        "annotation 1: image_id is 4, which is not the id of an image",
    ),
    "two points": (
        lambda c: c["annotations"][0].update(segmentation=[[1, 1, 3, 3]]),
        "annotation 1: found a polygon of 2 points, expected three points or more",
    ),
    "half a point": (
        lambda c: c["annotations"][0].update(segmentation=[[1, 1, 3, 3, 5, 5, 2]]),
        "half a point",
    ),
    "flat polygon": (
        lambda c: c["annotations"][0].update(segmentation=TRIANGLE),
        "neither a list of polygons nor an RLE",
    ),
    "nan": (
        lambda c: c["annotations"][0].update(bbox=[0, 0, float("nan"), 1]),
        "bbox is [0, 0, nan, 1]",
    ),
    "huge": (
        lambda c: c["annotations"][0].update(bbox=[0, 0, 10**400, 1]),
        "annotation 1: bbox is",
    ),
    "negative": (
        lambda c: c["annotations"][0].update(bbox=[5, 5, -2, 1]),
        "bbox is [5, 5, -2, 1], expected [x, y, width, height]",
    ),
    "short box": (lambda c: c["annotations"][0].update(bbox=[5, 5, 2]), "bbox is [5, 5, 2]"),
    "nothing": (
        lambda c: c["annotations"][1].pop("bbox"),
        "annotation 2: found neither bbox nor segmentation",
    ),
    "size of RLE": (
        lambda c: c["annotations"][2]["segmentation"].update(size=[12, 10]),
        "annotation 9: its RLE has the size [12, 10], expected [10, 12]",
    ),
    "sum of RLE": (
        lambda c: c["annotations"][2]["segmentation"].update(counts=[10, 5, 104]),
        "runs that do not add up to 10 x 12 px",
    ),
    "letters of RLE": (
        lambda c: c["annotations"][2]["segmentation"].update(counts="abc"),
        "do not add up",
    ),
    "kind of RLE": (
        lambda c: c["annotations"][2]["segmentation"].update(counts=3),
        "neither text nor whole numbers",
    ),
    "crowd": (
        lambda c: c["annotations"][0].update(iscrowd="no"),
        "iscrowd is 'no', expected 0 or 1",
    ),
    "id of text": (
        lambda c: c["annotations"][0].update(id="x"),
        "annotation number 0: id is 'x', expected a whole number",
    ),
    "row of text": (
        lambda c: c["annotations"].append("x"),
        "annotation number 3: found 'x', expected an object",
    ),
    "no width": (
        lambda c: c["images"][0].update(width=0),
        "image 5: width is 0, expected a whole number of 1 or more",
    ),
    "no file": (
        lambda c: c["images"][0].update(file_name=""),
        "image 5: file_name is '', expected a name",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), ROWS.values(), ids=ROWS)
def test_read_coco_when_format_is_broken_then_named(spoil: Spoil, says: str) -> None:
    """The row by its id, what was found, what was expected."""
    data = content()
    spoil(data)

    with pytest.raises(DataError) as caught:
        read(data)

    assert says in caught.value.message
    assert caught.value.where == "raw/coco.json"
    assert caught.value.hint


CAUSES: dict[str, tuple[Spoil, str]] = {
    "no size": (
        lambda c: [row.pop("width") for row in c["images"]],
        "image 5 and 3 more images: width is missing, expected a whole number of 1 or more",
    ),
    "size 0": (
        lambda c: [row.update(width=0, height=0) for row in c["images"]],
        "image 5 and 3 more images: width is 0, expected a whole number of 1 or more",
    ),
    "size null": (
        lambda c: c["images"][0].update(height=None),
        "image 5: height is null, expected a whole number of 1 or more",
    ),
    "size of text": (
        lambda c: c["images"][0].update(height="10"),
        "image 5: height is '10', expected a whole number of 1 or more",
    ),
    "number for a name": (
        lambda c: c["categories"][0].update(name=1),
        "category 7: name is 1, expected a name",
    ),
    "true for a name": (
        lambda c: c["categories"][0].update(name=True),
        "category 7: name is true, expected a name",
    ),
    "text for an image's id": (
        lambda c: (
            [row.update(id="img") for row in c["images"][:1]]
            + [row.update(image_id="img") for row in c["annotations"]]
        ),
        "image number 0: id is 'img', expected a whole number",
    ),
    "text for a category's id": (
        lambda c: (
            c["categories"][0].update(id="7")
            or [row.update(category_id="7") for row in c["annotations"]]
        ),
        "category number 0: id is '7', expected a whole number",
    ),
    "fraction for an id": (
        lambda c: (
            c["images"][0].update(id=5.5) or [row.update(image_id=5.5) for row in c["annotations"]]
        ),
        "image number 0: id is 5.5, expected a whole number",
    ),
    "no id": (
        lambda c: c["images"][0].pop("id"),
        "image number 0: id is missing, expected a whole number",
    ),
    "another id": (
        lambda c: c["categories"][0].update(id="tree"),
        "category number 0: id is 'tree', expected a whole number",
    ),
    "no row": (
        lambda c: c["images"].__setitem__(0, "a.png"),
        "image number 0: found 'a.png', expected an object",
    ),
    "file four times": (
        lambda c: [row.update(file_name="a.png") for row in c["images"]],
        "4 images have the file 'a.png'",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), CAUSES.values(), ids=CAUSES)
def test_read_coco_when_one_fault_is_behind_others_then_it_alone_is_named(
    spoil: Spoil, says: str
) -> None:
    """An annotation of an image that cannot be used is no fault of its own."""
    data = content()
    first = data["images"][0]
    data["images"] += [first | {"id": n, "file_name": f"{n}.png"} for n in (6, 7, 8)]
    spoil(data)

    with pytest.raises(DataError) as caught:
        read(data)

    assert caught.value.message == f"cannot use 'coco.json': {says}."


def test_read_coco_when_numbers_are_whole_but_written_with_a_point_then_read() -> None:
    """Some tools write every number as a float."""
    data = content()
    for row in (*data["images"], *data["categories"], *data["annotations"]):
        row |= {key: float(value) for key, value in row.items() if isinstance(value, int)}

    found = read(data)

    assert [image.width_px for image in found.images] == [12]
    assert [annotation.image_id for annotation in found.annotations] == [5, 5, 5]


SEGMENTATIONS: dict[str, tuple[Any, str]] = {
    "flat": (
        TRIANGLE,
        "found the numbers of one polygon, expected a list of polygons: [[x, y, x, y, ...]]",
    ),
    "points": ([[[1, 1], [8, 1], [1, 7]]], "found each point in its own list"),
    "nan": ([[1, 1, 8, float("nan"), 1, 7]], "found nan in it"),
    "text": ([[1, 1, 8, "1", 1, 7]], "found '1' in it"),
    "null": ([TRIANGLE, None], "found null in it"),
    "word": ("mask.png", "found 'mask.png'"),
    "empty": ([TRIANGLE, []], "found a polygon of 0 points"),
    "rectangle": ([[1, 1, 8, 7]], "found a polygon of 2 points"),
    "bytes": ({"size": [10, 12], "counts": "b'52h2'"}, "as Python prints bytes"),
    "no size": ({"counts": [10, 5, 105]}, "has the size null, expected [10, 12]"),
    "no counts": ({"size": [10, 12]}, "has counts that are neither text nor whole numbers"),
    "negative": ({"size": [10, 12], "counts": [10, -5, 115]}, "do not add up"),
    "floats": ({"size": [10, 12], "counts": [10.5, 5, 105]}, "neither text nor whole numbers"),
}


@pytest.mark.parametrize(("segmentation", "says"), SEGMENTATIONS.values(), ids=SEGMENTATIONS)
def test_read_coco_when_segmentation_is_none_then_what_stands_there(
    segmentation: Any, says: str
) -> None:
    """What other tools write in its place is told from a slip."""
    data = content()
    data["annotations"][0]["segmentation"] = segmentation

    with pytest.raises(DataError) as caught:
        read(data)

    assert caught.value.message.startswith("cannot use 'coco.json': annotation 1: ")
    assert says in caught.value.message


@pytest.mark.parametrize("value", ["1", "true", None, 2, -1, [], {}, [1], 0.5])
def test_read_coco_when_iscrowd_is_neither_0_nor_1_then_refused(value: Any) -> None:
    """Which of the two it means decides whether anything is learned from the object."""
    data = content()
    data["annotations"][0]["iscrowd"] = value

    with pytest.raises(DataError, match=r"annotation 1: iscrowd is .*, expected 0 or 1\."):
        read(data)


OTHERS: dict[str, tuple[Any, str]] = {
    "labelme": ({"version": "5.2", "shapes": [], "imagePath": "a.png"}, "a file of LabelMe"),
    "via": ({"a.png123": {"filename": "a.png", "size": 123, "regions": []}}, "annotations of VIA"),
    "via project": ({"_via_settings": {}, "_via_img_metadata": {}}, "a project of VIA"),
    "label studio": ([{"id": 1, "data": {}, "annotations": []}], "tasks of Label Studio"),
    "create ml": ([{"image": "a.png", "annotations": []}], "annotations of Create ML"),
    "results": ([{"image_id": 1, "category_id": 1, "score": 0.5}], "results in COCO's format"),
    "geojson": ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
}


@pytest.mark.parametrize(("data", "tool"), OTHERS.values(), ids=OTHERS)
def test_read_coco_when_another_tool_wrote_it_then_its_format_is_named(
    data: Any, tool: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(data)

    assert f"as COCO: found {tool}" in caught.value.message
    assert caught.value.hint == "export the objects as COCO JSON."


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "list", "16", "deep"],
)
def test_read_coco_when_no_coco_at_all_then_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"cannot read 'coco\.json'"):
        read_coco(data, "raw/coco.json")


def test_read_coco_when_many_faults_then_twenty_are_named() -> None:
    """One run is enough to mend the file."""
    data = content()
    row = data["annotations"][1]
    data["annotations"] = [row | {"id": number, "category_id": 99} for number in range(33)]

    with pytest.raises(DataError) as caught:
        read(data)

    assert "found 33 faults" in caught.value.message
    assert caught.value.message.count("category_id is 99") == 20
    assert caught.value.message.endswith("and 13 more")


MASKS = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1)
)


@settings(deadline=None, max_examples=60)
@given(MASKS)
def test_find_rle_fault_when_written_by_pycocotools_then_none(pixels: Any) -> None:
    """Compact and plain run lengths of any mask."""
    height, width = pixels.shape
    rle = to_json(tools.encode(np.asfortranarray(pixels)))

    assert find_rle_fault(rle, height, width) is None
    assert find_rle_fault(rle, height, width + 1) is not None
    longer = rle | {"counts": rle["counts"] + "1"}
    assert find_rle_fault(longer, height, width) is not None


@settings(deadline=None, max_examples=60)
@given(MASKS, st.data())
def test_encode_window_when_rle_then_the_part_of_the_mask(pixels: Any, data: st.DataObject) -> None:
    """Against NumPy's slice."""
    height, width = pixels.shape
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    window = Window(
        left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    )
    rle = to_json(tools.encode(np.asfortranarray(pixels)))

    found = encode_window(roi_of(rle), window)

    expected = pixels[top : top + window.height_px, left : left + window.width_px]
    assert np.array_equal(tools.decode(found), expected)
    assert area_of(found) == int(expected.sum())


def test_encode_window_when_polygon_then_the_part_of_its_mask() -> None:
    """Cutting outlines and cutting pixels give the same."""
    polygon = [2.0, 3.0, 17.5, 1.0, 19.0, 14.0, 6.0, 18.0]
    whole = tools.decode(tools.merge(tools.frPyObjects([polygon], 20, 20)))

    found = encode_window([polygon], Window(9, 4, 8, 12))

    assert np.array_equal(tools.decode(found), whole[4:16, 9:17])


@pytest.mark.parametrize("far", [1e6, 9e8, 1e300])
def test_encode_window_when_outline_reaches_far_then_its_part_at_once(far: float) -> None:
    """pycocotools would keep five points for each px of the outline, gigabytes of them."""
    band = [-far, 3, far, 3, far, 9, -far, 9]
    beyond = [far, far, far + 9, far, far, far + 9]

    found = tools.decode(encode_window([band, beyond], Window(0, 0, 20, 12)))

    expected = np.zeros((12, 20), np.uint8)
    expected[3:9] = 1
    assert np.array_equal(found, expected)


def test_box_of_segmentation_when_polygons_or_rle_then_tight() -> None:
    pixels = np.zeros((10, 12), np.uint8)
    pixels[3:6, 4:9] = 1

    assert box_of_segmentation(to_json(tools.encode(np.asfortranarray(pixels)))) == (4, 3, 9, 6)
    assert box_of_segmentation([[1, 2, 5, 2, 5, 9], [0, 3, 2, 3, 2, 4]]) == (0, 2, 5, 9)
    empty = to_json(tools.encode(np.asfortranarray(pixels * 0)))
    assert box_of_segmentation(empty) is None
