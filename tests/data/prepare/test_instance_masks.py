# SPDX-License-Identifier: Apache-2.0
"""Instances from maps and masks, held to pycocotools, which decodes and measures them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as tools
from pycocotools.coco import COCO

from zoo.data import (
    DatasetIdentity,
    Instance,
    Report,
    Scene,
    Shares,
    coco_document,
    decode_image,
    encode_png,
    instances_from_ids,
    instances_from_masks,
    open_source,
    parse_tiling,
    prepare_instances,
    read_coco,
    write_file,
)
from zoo.errors import DataError

SIDE = st.integers(1, 12)
SEED = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from(["u1", "u2", "i2", "i4", "i8", "u8", ">u2"])


def pixels_of(instance: Instance) -> NDArray[np.uint8]:
    """Return the mask as pycocotools decodes it."""
    decoded: NDArray[np.uint8] = tools.decode(instance.segmentation)
    return decoded


@settings(deadline=None, max_examples=200)
@given(SIDE, SIDE, DTYPES, st.integers(1, 60), SEED)
def test_instances_from_ids_when_decoded_by_pycocotools_then_the_map_again(
    height: int, width: int, dtype: str, most: int, seed: int
) -> None:
    """Masks, boxes and areas of scattered ids, in any integer type and memory order."""
    ids = np.random.default_rng(seed).integers(0, most, (width, height)).astype(dtype).T

    found = instances_from_ids(ids, lambda value: value % 3)

    values = [value for value in np.unique(ids).tolist() if value]
    assert [instance.category for instance in found] == [value % 3 for value in values]
    for value, instance in zip(values, found, strict=True):
        assert np.array_equal(pixels_of(instance), ids == value)
        whole = tools.encode(np.asfortranarray(ids == value, np.uint8))
        assert instance.segmentation == {"size": whole["size"], "counts": whole["counts"].decode()}
        left, top, across, down = tools.toBbox(whole)
        assert instance.box == (left, top, left + across, top + down)
        assert instance.area_px == tools.area(whole)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), SEED)
def test_instances_from_masks_when_runs_are_long_then_as_pycocotools_writes_them(
    height: int, width: int, seed: int
) -> None:
    """Run lengths of one to four letters, with growing and shrinking differences."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, height, width), np.bool_)
    for mask in masks:
        for _ in range(int(rng.integers(4))):
            top, left = int(rng.integers(height)), int(rng.integers(width))
            mask[top : top + int(rng.integers(1, height + 1)), left : left + width // 2 + 1] ^= True

    found = instances_from_masks(masks, [4, 1])

    assert [instance.category for instance in found] == [4, 1]
    for mask, instance in zip(masks, found, strict=True):
        whole = tools.encode(np.asfortranarray(mask, np.uint8))
        assert isinstance(instance.segmentation, dict)
        assert instance.segmentation["counts"] == whole["counts"].decode()
        assert instance.area_px == mask.sum()


def test_instances_from_ids_when_a_table_gives_classes_then_none_leaves_out() -> None:
    ids = np.array([[0, 1, 2, 2, 65_535]], np.uint16)

    found = instances_from_ids(ids, {1: 0, 2: 4, 65_535: None}, source="maps/a.png")

    assert [(each.category, each.source) for each in found] == [
        (0, "maps/a.png#1"),
        (4, "maps/a.png#2"),
    ]


def test_instances_from_ids_when_the_table_lacks_ids_then_each_is_counted_and_placed() -> None:
    ids = np.zeros((4, 5), np.uint16)
    ids[2:, 3] = 9
    ids[0, 4] = 700

    with pytest.raises(DataError) as caught:
        instances_from_ids(ids, {1: 0}, source="maps/a.png")

    assert "9 (2 px, first at x=3 y=2), 700 (1 px, first at x=4 y=0)" in caught.value.message
    assert caught.value.where == "maps/a.png"


def test_instances_from_ids_when_another_id_is_the_background_then_zero_is_an_instance() -> None:
    found = instances_from_ids(np.array([[0, 255]], np.uint8), 0, background=255)

    assert [each.box for each in found] == [(0.0, 0.0, 1.0, 1.0)]
    assert instances_from_ids(np.zeros((3, 3), np.uint8), 0) == ()


@pytest.mark.parametrize(
    ("ids", "part"),
    [
        (np.zeros((2, 2), np.float32), "found float32 of shape (2, 2)"),
        (np.zeros((2, 2), np.bool_), "found bool"),
        (np.zeros((2, 2, 3), np.uint8), "of shape (2, 2, 3)"),
        (np.zeros((0, 2), np.uint8), "of shape (0, 2)"),
        (np.array([[-1, 1]]), "found the id -1"),
        (np.arange(400 * 400).reshape(400, 400), "found 159,999 ids, expected at most 100,000"),
    ],
)
def test_instances_from_ids_when_it_is_no_map_then_refused(ids: NDArray[Any], part: str) -> None:
    with pytest.raises(DataError) as caught:
        instances_from_ids(ids, 0)

    assert part in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("masks", "classes", "part"),
    [
        ([np.ones((2, 2)), np.ones((2, 3))], 0, "mask 1: found the shape (2, 3), expected (2, 2)"),
        ([np.ones(4)], 0, "expected (H, W)"),
        ([np.ones((2, 2))], [0, 1], "found 1 masks, expected 2"),
        ([np.ones((0, 2))], 0, "found the shape (0, 2)"),
    ],
)
def test_instances_from_masks_when_shapes_or_classes_differ_then_refused(
    masks: list[NDArray[Any]], classes: int | list[int], part: str
) -> None:
    with pytest.raises(DataError) as caught:
        instances_from_masks(masks, classes)

    assert part in caught.value.message


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write six pictures and 16-bit maps of ids: class = id // 1000."""
    folder = tmp_path / "raw"
    for number in range(6):
        rng = np.random.default_rng(number)
        ids = np.zeros((40, 50), np.uint16)
        for index in range(5):
            top, left = (int(value) for value in rng.integers(0, 30, 2))
            ids[top : top + 8, left : left + 9] = 1000 * (index % 2) + 1 + index
        image = rng.integers(0, 255, (40, 50, 3), np.uint8)
        write_file(folder / "images" / f"{number}.png", encode_png(image))
        write_file(folder / "maps" / f"{number}.png", encode_png(ids))
    return folder


def _scenes(folder: Path) -> list[Scene]:
    scenes = []
    for path in sorted((folder / "maps").iterdir()):
        ids = decode_image(path.read_bytes(), str(path), palette="index")
        found = instances_from_ids(ids, lambda value: value // 1000)
        name = path.name
        scenes.append(Scene(path.stem, path.stem, f"images/{name}", found, size=ids.shape[::-1]))
    return scenes


def test_instances_when_prepared_then_the_annotations_hold_the_map(
    raw: Path, tmp_path: Path
) -> None:
    """From 16-bit maps to COCO JSON and back through pycocotools: no pixel differs."""
    out = tmp_path / "out"
    with open_source(raw) as source:
        prepare_instances(
            source,
            out,
            dataset=DatasetIdentity("p", "D", "1"),
            scenes=_scenes(raw),
            classes=("a", "b"),
            palette=((1, 1, 1), (2, 2, 2)),
            shares=Shares(1, 0, 0),
            report=Report(),
            tiling=parse_tiling("whole", None, 0, 0.3),
            labels="true",
            licence="MIT",
        )

    coco = COCO(str(out / "annotations" / "train.json"))
    assert len(coco.imgs) == 6
    for image in coco.imgs.values():
        ids = decode_image((raw / "maps" / image["file_name"]).read_bytes(), "m", palette="index")
        rows = coco.imgToAnns[image["id"]]
        assert len(rows) == len(np.unique(ids)) - 1
        for row in rows:
            decoded = coco.annToMask(row).astype(bool)
            (value,) = np.unique(ids[decoded])
            assert np.array_equal(decoded, ids == value)
            assert row["category_id"] == value // 1000 + 1


def test_coco_document_when_read_by_zoo_and_pycocotools_then_the_same_objects(
    raw: Path, tmp_path: Path
) -> None:
    """Boxes, areas and masks; polygons get the area inside them."""
    square = Instance((1.0, 1.0, 4.0, 3.0), 1, [[1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]])
    scenes = [*_scenes(raw), Scene("p", "p", "p.png", (square,), size=(8, 6))]
    path = tmp_path / "truth.json"

    path.write_text(json.dumps(coco_document(scenes, ("a", "b"))))

    coco = COCO(str(path))
    assert [image["file_name"] for image in coco.imgs.values()] == [each.image for each in scenes]
    for image, scene in zip(coco.imgs.values(), scenes, strict=True):
        rows = coco.imgToAnns[image["id"]]
        assert [row["category_id"] - 1 for row in rows] == [e.category for e in scene.instances]
        for row, instance in zip(rows, scene.instances, strict=True):
            assert row["area"] == tools.area(coco.annToRLE(row))
            assert tuple(row["bbox"]) == (
                *instance.box[:2],
                instance.box[2] - instance.box[0],
                instance.box[3] - instance.box[1],
            )
    found = read_coco(path.read_bytes(), str(path))
    assert len(found.annotations) == len(coco.anns)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda one: Scene("a", "a", "a.png", ()), "it has no size"),
        (lambda one: Scene("a", "a", "a.png", (one,), (4, 4)), "category 3, expected 0..1"),
    ],
)
def test_coco_document_when_a_scene_cannot_be_described_then_named(
    make: Callable[[Instance], Scene], part: str
) -> None:
    (one,) = instances_from_ids(np.ones((4, 4), np.uint8), 3)

    with pytest.raises(DataError) as caught:
        coco_document([make(one)], ("a", "b"))

    assert part in caught.value.message
