# SPDX-License-Identifier: Apache-2.0
"""Objects of a COCO JSON counted before training: what is lost is refused, and how to load it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import DataError

pytestmark = pytest.mark.mm

SIDE = 40
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[10:30, 10:30] = 1
MakeDataset = Callable[..., Any]


def rle(kind: str) -> Any:
    from pycocotools import mask as tools

    compact = tools.encode(np.asfortranarray(MASK))
    if kind == "text":
        return {**compact, "counts": compact["counts"].decode()}
    turns = np.flatnonzero(np.diff(MASK.ravel(order="F").astype(int), prepend=0)).tolist()
    return {"size": [SIDE, SIDE], "counts": np.diff([0, *turns, SIDE * SIDE]).tolist()}


def annotation(segmentation: Any = SQUARE, **changed: Any) -> dict[str, Any]:
    box = {"bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0, "category_id": 1}
    row = box if segmentation is None else {**box, "segmentation": segmentation}
    return {**row, **changed}


@pytest.fixture
def make(tmp_path: Path) -> MakeDataset:
    """Return a function that builds mmdet's COCO data set of images with these annotations."""

    def build(images: Sequence[Sequence[dict[str, Any]]], wrap: Any = None, **load: Any) -> Any:
        import cv2
        from mmengine.registry import DATASETS, init_default_scope

        init_default_scope("mmdet")
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
        rows = [{**row, "image_id": n} for n, found in enumerate(images, 1) for row in found]
        content = {
            # One file stands for all: only what is said of them differs.
            "images": [
                {"id": n, "file_name": "a.png", "width": SIDE, "height": SIDE}
                for n in range(1, len(images) + 1)
            ],
            "categories": [{"id": 1, "name": "tank"}, {"id": 2, "name": "pond"}],
            "annotations": [{**row, "id": number} for number, row in enumerate(rows, 1)],
        }
        (tmp_path / "a.json").write_text(json.dumps(content))
        loading = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True, **load}
        dataset = {
            "type": "CocoDataset",
            "data_root": str(tmp_path),
            "ann_file": "a.json",
            "data_prefix": {"img": ""},
            "metainfo": {"classes": ("tank",)},
            "pipeline": [{"type": "LoadImageFromFile"}, loading, {"type": "PackDetInputs"}],
        }
        return DATASETS.build(dataset if wrap is None else wrap(dataset))

    return build


def check(dataset: Any) -> Any:
    from zoo.engine.dataset.instance_labels import check_instance_labels

    return check_instance_labels(dataset, "train_dataloader.dataset")


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_run_lengths_that_a_transform_cannot_hold_are_refused(make: MakeDataset, kind: str) -> None:
    """Beside polygons in one image, too; the hint leads out."""
    images = [[annotation(), annotation(rle(kind))], [annotation()]]

    with pytest.raises(DataError) as caught:
        check(make(images, poly2mask=False))

    assert "1 of 3 objects are lost by LoadAnnotations" in caught.value.message
    assert "run lengths" in caught.value.message
    assert caught.value.hint is not None
    assert "train_dataloader.dataset.pipeline.1.poly2mask=True" in caught.value.hint
    (count,) = check(make(images, poly2mask=True))
    assert (count.stated, count.kept, count.seen, count.loaded, count.packed) == (3, 3, 3, 3, 3)


def test_one_image_of_run_lengths_among_hundreds_is_found(make: MakeDataset) -> None:
    """All annotations are counted, and each kind of mask goes through the pipeline."""
    images = [[annotation()] for _ in range(300)]
    images[211] = [annotation(rle("text"))]

    with pytest.raises(DataError, match=r"\d+ of 300 images looked at"):
        check(make(images, poly2mask=False))

    (count,) = check(make(images))
    assert count.kept == 300
    assert count.seen_images <= 48
    assert dict(count.kinds) == {"polygons": 299, "run lengths": 1}


def test_objects_that_mmdet_passes_over_by_their_area_are_refused(make: MakeDataset) -> None:
    """An exporter that writes 0 would have them all left out."""
    with pytest.raises(DataError, match="mmdet leaves out 1 of 2 objects"):
        check(make([[annotation(), annotation(area=0)]]))


def test_objects_smaller_than_a_pixel_are_counted_and_no_fault(make: MakeDataset) -> None:
    """COCO's own training images have some; other classes are none of ours."""
    small, beside = [5, 5, 0.4, 9], [SIDE + 5, 5, 9, 9]
    rows = [annotation(), annotation(bbox=small), annotation(bbox=beside)]

    (count,) = check(make([[*rows, annotation(category_id=2)], []]))

    assert (count.images, count.stated, count.outside, count.kept) == (2, 3, 2, 1)
    assert count.text() == (
        "1 of 3 objects in 2 images (1 polygons); 2 smaller than a pixel, left out; "
        "1 of 1 loaded in the 1 images looked at"
    )


def test_crowds_alone_are_refused(make: MakeDataset) -> None:
    """They are ignored, so nothing would be learned; the hint names the way."""
    with pytest.raises(DataError, match="found 2 crowds but no object in 1 images") as caught:
        check(make([[annotation(rle("text"), iscrowd=1)] * 2]))

    assert caught.value.hint is not None
    assert "--crowds instances" in caught.value.hint


def test_crowds_beside_objects_are_counted(make: MakeDataset) -> None:
    (count,) = check(make([[annotation(), annotation(rle("text"), iscrowd=1)]]))

    assert (count.stated, count.crowds, count.loaded) == (1, 1, 1)


def test_images_without_any_object_are_refused(make: MakeDataset) -> None:
    """Nothing to learn from; beside others they are what teaches what no object is."""
    with pytest.raises(DataError, match="found no object in 2 images"):
        check(make([[], []]))
    (count,) = check(make([[], [annotation()]]))
    assert (count.images, count.kept) == (2, 1)


def test_data_set_in_wrappers_is_counted_and_named_by_its_key(make: MakeDataset) -> None:
    images = [[annotation(rle("text"))]]

    def wrap(dataset: dict[str, Any]) -> dict[str, Any]:
        both = {"type": "ConcatDataset", "datasets": [dataset, dataset]}
        return {"type": "RepeatDataset", "times": 2, "dataset": both}

    assert len(check(make(images, wrap))) == 2
    with pytest.raises(DataError) as caught:
        check(make(images, wrap, poly2mask=False))
    assert "train_dataloader.dataset.dataset.datasets.0.pipeline.1" in str(caught.value.hint)


def test_random_numbers_of_the_run_stay_as_they_were(make: MakeDataset) -> None:
    """Training draws what it drew without the check."""
    dataset = make([[annotation()]])
    dataset.pipeline.transforms.insert(2, lambda results: (np.random.rand(), results)[1])
    np.random.seed(3)
    random.seed(3)
    wanted = np.random.rand(), random.random()
    np.random.seed(3)
    random.seed(3)

    check(dataset)

    assert (np.random.rand(), random.random()) == wanted


def test_box_alone_where_a_loader_wants_masks_is_one_message(make: MakeDataset) -> None:
    """mmdet's loader fails on it in a worker; the hint leads out."""
    images = [[annotation()], [annotation(None)]]

    with pytest.raises(DataError, match="has a box but no mask") as caught:
        check(make(images))

    assert "with_mask=False" in str(caught.value.hint)
    assert check(make(images, with_mask=False))[0].loaded == 2


def test_image_that_cannot_be_read_is_named(make: MakeDataset, tmp_path: Path) -> None:
    """Before the first step rather than in a worker."""
    dataset = make([[annotation()]])
    (tmp_path / "a.png").write_bytes(b"none")

    with pytest.raises(DataError, match=r"cannot train on 'a.png': LoadImageFromFile"):
        check(dataset)


def test_data_sets_that_read_no_coco_are_passed_over() -> None:
    assert check([1, 2, 3]) == []
