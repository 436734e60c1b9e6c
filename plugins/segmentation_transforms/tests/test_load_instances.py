# SPDX-License-Identifier: Apache-2.0
"""Every spelling of a mask that COCO allows reaches the loss; the oracle is pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.errors import DataError

pytestmark = pytest.mark.mm

HEIGHT, WIDTH = 60, 80
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
RING = (np.hypot(ROWS - 30, COLUMNS - 20) < 15) & (np.hypot(ROWS - 30, COLUMNS - 20) > 6)
PARTS = [[50.0, 5, 60, 5, 60, 15, 50, 15], [65.0, 20, 75, 20, 70, 30]]


def _rle(mask: NDArray[np.bool_], spelling: str) -> dict[str, Any]:
    from pycocotools import mask as tools

    compact: dict[str, Any] = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    if spelling == "text":
        return {**compact, "counts": compact["counts"].decode()}
    if spelling == "bytes":
        return compact
    flat = mask.ravel(order="F")
    turns = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0))
    return {
        "size": [HEIGHT, WIDTH],
        "counts": np.diff([0, *turns.tolist(), flat.size]).tolist(),
    }


def _instance(mask: Any, box: tuple[float, ...], *, crowd: bool = False) -> dict[str, Any]:
    row = {"bbox": list(box), "bbox_label": 0, "ignore_flag": int(crowd)}
    return row if mask is None else {**row, "mask": mask}


def _load(*instances: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    from zoo_segmentation_transforms.load_instances import LoadInstanceAnnotations

    results = {
        "img_path": "a/scene.png",
        "img": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        "ori_shape": (HEIGHT, WIDTH),
        "img_shape": (HEIGHT, WIDTH),
        "instances": list(instances),
    }
    done: dict[str, Any] = LoadInstanceAnnotations(**arguments).transform(results)
    return done


def _packed(results: dict[str, Any]) -> Any:
    from mmdet.datasets.transforms import PackDetInputs

    return PackDetInputs(meta_keys=())(results)["data_samples"]


RING_BOX = (6.0, 16.0, 35.0, 45.0)


@pytest.mark.parametrize("spelling", ["text", "bytes", "numbers"])
def test_run_lengths_of_any_spelling_are_loaded_to_the_pixel(spelling: str) -> None:
    """Not ignored, and their hole is a hole."""
    loaded = _load(_instance(_rle(RING, spelling), RING_BOX))

    assert np.array_equal(loaded["gt_masks"].to_ndarray()[0], RING)
    assert len(_packed(loaded).gt_instances) == 1


def test_an_image_of_all_spellings_loads_all_of_them() -> None:
    """Polygons of several parts, run lengths, a box alone, no polygon at all; and a crowd."""
    whole = (0.0, 0.0, 30.0, 20.0)
    rows = [
        _instance(PARTS, (50.0, 5.0, 75.0, 30.0)),
        _instance(_rle(RING, "text"), RING_BOX),
        _instance(None, (2.5, 3.0, 12.0, 9.0)),
        _instance([[1.0, 1, 2, 2]], (40.0, 40.0, 50.0, 50.0)),
        _instance(_rle(RING, "numbers"), RING_BOX),
        _instance(_rle(np.zeros((HEIGHT, WIDTH), bool), "text"), (60.0, 40.0, 70.0, 44.0)),
        _instance(_rle(RING, "bytes"), whole, crowd=True),
    ]

    loaded = _load(*rows)
    sample = _packed(loaded)

    assert [len(parts) for parts in loaded["gt_masks"].masks] == [2, 1, 1, 1, 1, 1, 1]
    assert np.array_equal(loaded["gt_masks"].masks[0][1], PARTS[1])
    assert loaded["gt_masks"].masks[2][0].tolist() == [2.5, 3, 12, 3, 12, 9, 2.5, 9]
    assert loaded["gt_masks"].areas[3] == 100
    assert loaded["gt_masks"].areas[5] == 40
    assert (len(sample.gt_instances), len(sample.ignored_instances)) == (6, 1)


def test_an_image_without_instances_loads_none() -> None:
    """Empty arrays that mmdet packs."""
    sample = _packed(_load())

    assert len(sample.gt_instances) == 0
    assert len(sample.gt_instances.masks) == 0


def test_masks_are_left_out_where_they_are_not_wanted() -> None:
    """As for a detector."""
    assert "gt_masks" not in _load(_instance(_rle(RING, "text"), RING_BOX), with_mask=False)


@pytest.mark.parametrize(
    ("rle", "found"),
    [
        ({"size": [HEIGHT, WIDTH + 1], "counts": [1]}, "size"),
        ({"size": [HEIGHT, WIDTH], "counts": [1, 2]}, "add up"),
        ({"size": [HEIGHT, WIDTH], "counts": None}, "neither text"),
        ({}, "size"),
    ],
)
def test_run_lengths_of_no_mask_of_the_image_are_refused(rle: dict[str, Any], found: str) -> None:
    """One message, the image named: pycocotools would read beside the mask."""
    with pytest.raises(DataError, match=found) as caught:
        _load(_instance(rle, RING_BOX))

    assert caught.value.where is not None
    assert "scene.png" in str(caught.value.where)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["outlines", "bitmaps"])
def test_crop_of_run_lengths_cuts_the_pixels_that_numpy_cuts(seed: int, kind: str) -> None:
    """Moved by whole pixels and flipped: equal to slicing the picture, the hole included."""
    from mmdet.structures.mask import BitmapMasks
    from zoo_segmentation_transforms.instance_crop import RandomInstanceCrop

    np.random.seed(seed)
    crop = RandomInstanceCrop(
        (48, 40), degree=0, scale=(1, 1), flip=seed % 2, on_instance=0, min_visible=0, min_size=0
    )
    drawn = crop._draw

    def whole_pixels(results: dict[str, Any]) -> NDArray[np.float64]:
        matrix = drawn(results)
        matrix[:2, 2] = np.round(matrix[:2, 2])
        return matrix

    crop._draw = whole_pixels
    loaded = _load(_instance(_rle(RING, "text"), RING_BOX))
    loaded["img"][..., :] = np.where(RING, 255, 0)[..., None]
    if kind == "bitmaps":
        loaded["gt_masks"] = BitmapMasks([RING.astype(np.uint8)], HEIGHT, WIDTH)

    done = crop.transform(loaded)

    seen = done["img"][..., 0] == 255
    kept = done["gt_masks"].to_ndarray().astype(bool)
    assert (kept[0] == seen).all() if len(kept) else not seen.any()


@pytest.mark.parametrize("seed", range(6))
def test_crop_of_run_lengths_when_turned_lies_on_the_picture(seed: int) -> None:
    """OpenCV turns the picture, and the outlines of the mask in it hold its bright pixels."""
    from zoo_segmentation_transforms.instance_crop import RandomInstanceCrop

    np.random.seed(seed)
    loaded = _load(_instance(_rle(RING, "numbers"), RING_BOX))
    loaded["img"][..., :] = np.where(RING, 255, 0)[..., None]

    done = RandomInstanceCrop((160, 160), scale=(2, 3), on_instance=1.0, min_visible=0)(loaded)

    bright = done["img"][..., 0] > 127
    kept = done["gt_masks"].to_ndarray()[0].astype(bool)
    assert (kept & bright).sum() / (kept | bright).sum() > 0.97


def test_crop_keeps_any_part_of_a_crowd() -> None:
    """A tenth of it is no background; of an object it would be too little."""
    from zoo_segmentation_transforms.instance_crop import RandomInstanceCrop

    box = (0.0, 0.0, 80.0, 60.0)
    whole = [[0.0, 0, 80, 0, 80, 60, 0, 60]]
    kept = {}
    for crowd in (True, False):
        np.random.seed(0)
        loaded = _load(_instance(whole, box, crowd=crowd))
        crop = RandomInstanceCrop((16, 16), degree=0, scale=(1, 1), on_instance=0)
        kept[crowd] = len(crop(loaded)["gt_masks"])

    assert kept == {True: 1, False: 0}
