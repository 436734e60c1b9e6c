# SPDX-License-Identifier: Apache-2.0
"""Where instances go; the oracles are drawn disks and counted pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

DISKS = [(60.0, 50.0, 14.0), (130.5, 90.0, 22.0), (20.0, 120.0, 9.0)]  # x, y, radius in px
SIZE = (200, 160)  # width, height


def _disk_image() -> NDArray[np.uint8]:
    """Return soft-edged disks, 255 inside; a pixel's centre is at its index plus a half."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    inside = [radius - np.hypot(columns - x, rows - y) for x, y, radius in DISKS]
    grey = np.round(255 * np.clip(np.max(inside, axis=0) + 0.5, 0, 1)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _circle(x: float, y: float, radius: float) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _results(masks: str) -> dict[str, Any]:
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import PolygonMasks

    polygons = PolygonMasks([[_circle(*disk).ravel()] for disk in DISKS], SIZE[1], SIZE[0])
    boxes = np.array([[x - r, y - r, x + r, y + r] for x, y, r in DISKS], np.float32)
    results = {
        "img": _disk_image(),
        "gt_bboxes": HorizontalBoxes(boxes),
        "gt_bboxes_labels": np.array([0, 1, 2]),
        "gt_ignore_flags": np.array([False, False, True]),
    }
    if masks != "none":
        results["gt_masks"] = polygons if masks == "polygons" else polygons.to_bitmap()
    return results


def _crop(results: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    from zoo_segmentation_transforms.instance_crop import RandomInstanceCrop

    return RandomInstanceCrop(**{"size": (128, 96), **arguments}).transform(results)


@pytest.mark.parametrize("masks", ["polygons", "bitmaps"])
def test_crop_when_turned_and_zoomed_keeps_masks_and_boxes_on_the_image(masks: str) -> None:
    """Each mask holds the bright pixels of its disk; each box is tight around them."""
    np.random.seed(1)
    shares, edges, seen = [], [], 0
    for _ in range(30):
        done = _crop(_results(masks), on_instance=1.0, scale=(0.8, 1.6), min_visible=0)
        bright = done["img"][..., 0] > 127
        bitmaps = done["gt_masks"].to_ndarray().astype(bool)
        if len(bitmaps):
            shares.append((bitmaps.any(0) & bright).sum() / (bitmaps.any(0) | bright).sum())
        for box, bitmap in zip(done["gt_bboxes"].tensor.numpy(), bitmaps, strict=True):
            rows, columns = np.nonzero(bitmap & bright)
            if len(rows) > 30:
                tight = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                edges.append(np.abs(box - tight).max())
                seen += 1

    assert seen > 30
    assert np.mean(shares) > 0.96
    assert np.mean(edges) < 0.7
    assert np.max(edges) < 2


def test_crop_of_boxes_alone_moves_the_boxes() -> None:
    """Where nothing turns, boxes keep their sides; ids and flags stay with their boxes."""
    np.random.seed(0)
    results = _results("none")
    done = _crop(results, degree=0, flip=0, scale=(1.0, 1.0), size=(400, 400), min_size=0)

    sides = done["gt_bboxes"].tensor[:, 2:] - done["gt_bboxes"].tensor[:, :2]
    for side, label in zip(sides.numpy(), done["gt_bboxes_labels"], strict=True):
        assert side == pytest.approx([2 * DISKS[label][2]] * 2, abs=1e-3)
    assert list(done["gt_ignore_flags"]) == [label == 2 for label in done["gt_bboxes_labels"]]
    assert len(sides) == 3


def test_crop_of_a_place_without_instances_gives_empty_ones() -> None:
    """Nothing is left: arrays of length 0 that mmdet packs."""
    from mmdet.datasets.transforms import PackDetInputs

    np.random.seed(0)
    done = _crop(_results("polygons"), min_size=1000)

    packed = PackDetInputs(meta_keys=())(done)
    assert len(packed["data_samples"].gt_instances) == 0
    assert packed["inputs"].shape == (3, 96, 128)


@pytest.mark.parametrize("margins", [(0, 0, 1, 1), (0.5, 0.5, 0.5, 0.5), (0, 0, 0, 0)])
def test_crop_of_boxes_that_count_pixels_otherwise_keeps_the_difference(
    margins: tuple[float, ...],
) -> None:
    """The box beyond its outline by up to a pixel: scaled by the zoom, whatever the turn."""
    from mmdet.structures.bbox import HorizontalBoxes

    np.random.seed(3)
    results = _results("polygons")
    bounds = [[x - r, y - r, x + r, y + r] for x, y, r in DISKS]
    boxes = np.array(bounds) + np.array(margins) * (-1, -1, 1, 1)
    results["gt_bboxes"] = HorizontalBoxes(boxes.astype(np.float32))

    done = _crop(results, size=(900, 900), scale=(2.0, 2.0), on_instance=1.0)

    outlines = [polygons[0].reshape(-1, 2) for polygons in done["gt_masks"].masks]
    inside = [
        (box, points)
        for box, points in zip(done["gt_bboxes"].tensor.numpy(), outlines, strict=True)
        if points.min() > 3 and points.max() < 897
    ]
    assert inside
    for box, points in inside:
        found = np.concatenate([points.min(0) - box[:2], box[2:] - points.max(0)])
        # A circle of 64 corners turns: its bounds move by a thousandth of its radius.
        assert found == pytest.approx(2 * np.array(margins), abs=0.15)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"size": (0, 5)}, "size"),
        ({"degree": 181}, "degree"),
        ({"scale": (0.1, 1)}, "scale"),
        ({"scale": (2, 1)}, "scale"),
        ({"flip": 2}, "flip"),
        ({"on_instance": -1}, "on_instance"),
        ({"min_visible": 1.5}, "min_visible"),
        ({"min_size": -1}, "min_size"),
    ],
)
def test_crop_when_an_argument_is_out_of_range_names_it(
    arguments: dict[str, Any], named: str
) -> None:
    """One message: what, where, what was expected."""
    with pytest.raises(ConfigError, match=f"RandomInstanceCrop: {named} is"):
        _crop(_results("none"), **arguments)
