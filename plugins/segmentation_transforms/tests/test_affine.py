# SPDX-License-Identifier: Apache-2.0
"""Where image and labels go; the oracles are drawn shapes and a NumPy twin of the lookup."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def _disk(height_px: int, width_px: int, x: float, y: float, radius_px: float) -> NDArray[Any]:
    """Return a soft-edged disk, 255 inside; 127.5 lies on its rim."""
    rows, columns = np.mgrid[:height_px, :width_px]
    inside = radius_px - np.hypot(columns - x, rows - y)
    return np.round(255 * np.clip(inside + 0.5, 0, 1)).astype(np.uint8)


def _moved(image: NDArray[Any], labels: NDArray[Any], **settings: Any) -> dict[str, Any]:
    from zoo_segmentation_transforms.affine import RandomAffine

    results = {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"]}
    return RandomAffine(**settings).transform(results)


def _centroid(weights: NDArray[Any]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("size", [None, (96, 80), (256, 300)])
def test_labels_stay_on_the_image_whatever_the_map(size: tuple[int, int] | None) -> None:
    """Centroid and area of a disk agree between image and labels, to a fraction of a pixel."""
    np.random.seed(0)
    image = _disk(180, 200, 104, 88, 40)
    gaps, areas = [], []

    for _ in range(40):
        done = _moved(image, (image > 127).astype(np.uint8), size=size, degree=25, aspect=1.2)
        labels = np.where(done["gt_seg_map"] == 255, 0, done["gt_seg_map"])
        gaps.append(_centroid(done["img"].astype(float)) - _centroid(labels.astype(float)))
        areas.append(labels.sum() / (done["img"].astype(float).sum() / 255))

    assert np.abs(np.mean(gaps, axis=0)).max() < 0.03
    assert np.abs(gaps).max() < 0.2
    assert np.mean(areas) == pytest.approx(1, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(2, 60), st.integers(2, 60))
def test_labels_of_a_plain_resize_are_those_under_the_new_centres(
    height_px: int, width_px: int, new_height_px: int, new_width_px: int
) -> None:
    labels = np.random.default_rng(0).integers(0, 9, (height_px, width_px), dtype=np.uint8)
    image = np.zeros((height_px, width_px, 3), np.uint8)

    done = _moved(image, labels, size=(new_width_px, new_height_px), prob=0)

    rows = (np.arange(new_height_px) + 0.5) * height_px / new_height_px
    columns = (np.arange(new_width_px) + 0.5) * width_px / new_width_px
    # A centre on the line between two pixels may go either way, as may one within OpenCV's 1/1024.
    clear_rows = np.abs(rows - np.round(rows)) > 0.01
    clear_columns = np.abs(columns - np.round(columns)) > 0.01
    expected = labels[rows.astype(int)][:, columns.astype(int)]
    clear = np.ix_(clear_rows, clear_columns)
    assert done["img"].shape == (new_height_px, new_width_px, 3)
    assert done["img_shape"] == (new_height_px, new_width_px)
    np.testing.assert_array_equal(done["gt_seg_map"][clear], expected[clear])


def test_an_image_that_is_halved_is_averaged() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)

    done = _moved(image, np.zeros((20, 30), np.uint8), size=(15, 10), prob=0)

    expected = image.reshape(10, 2, 15, 2).mean(axis=(1, 3))
    assert np.abs(done["img"] - expected).max() <= 0.5


def test_what_comes_in_from_outside_is_ignored() -> None:
    np.random.seed(3)
    image = np.full((40, 40), 200, np.uint8)

    done = _moved(image, np.ones((40, 40), np.uint8), scale=(0.5, 0.5), degree=0, shift=0)

    assert set(np.unique(done["gt_seg_map"])) == {1, 255}
    assert 0.24 < (done["gt_seg_map"] == 1).mean() < 0.27
    assert done["img"][0, 0] == 0


def test_without_chance_nothing_moves() -> None:
    image = np.random.default_rng(2).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    labels = np.random.default_rng(3).integers(0, 4, (31, 17), dtype=np.uint8)

    done = _moved(image, labels.copy(), prob=0)

    np.testing.assert_array_equal(done["img"], image)
    np.testing.assert_array_equal(done["gt_seg_map"], labels)


def test_equal_seeds_give_equal_maps() -> None:
    image = np.random.default_rng(4).integers(0, 256, (32, 32), dtype=np.uint8)
    found = []

    for seed in (5, 5, 6):
        np.random.seed(seed)
        found.append(_moved(image, image.copy())["img"])

    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("degree", -1),
        ("scale", (0, 1)),
        ("scale", (1.2, 0.8)),
        ("aspect", 0.5),
        ("shift", 2),
        ("prob", 1.5),
        ("size", (0, 8)),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, value: object) -> None:
    from zoo_segmentation_transforms.affine import RandomAffine

    with pytest.raises(ConfigError, match=f"{setting} is ") as caught:
        RandomAffine(**{setting: value})  # type: ignore[arg-type]

    assert repr(value) in str(caught.value)
