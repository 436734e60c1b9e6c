# SPDX-License-Identifier: Apache-2.0
"""Prediction beside truth: scores against a count by hand, and panels that are all there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.coco.masks import MaskInRoi, load_pycocotools, roi_of
from zoo.engine.overlays.instance_comparison import Objects, compare_instances, match_objects
from zoo.engine.overlays.label_comparison import compare_labels
from zoo.engine.overlays.palette import FALSE, MISSED, RIGHT, SWAPPED, default_palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

SIDE = 400
CLASSES = ("background", "lung", "heart")
IMAGE = np.full((SIDE, SIDE), 90, np.uint8)


def squares(*places: tuple[int, int, int], side: int = SIDE) -> list[NDArray[np.bool_]]:
    """Return masks of squares: left, top, size."""
    masks = []
    for left, top, size in places:
        mask = np.zeros((side, side), bool)
        mask[top : top + size, left : left + size] = True
        masks.append(mask)
    return masks


def objects(
    masks: list[NDArray[np.bool_]],
    labels: list[int] | None = None,
    crowd: tuple[int, ...] = (),
    *,
    has_masks: bool = True,
) -> Objects:
    placed = []
    for mask in masks:
        rle = load_pycocotools().encode(np.asfortranarray(mask.astype(np.uint8)))
        roi = roi_of(rle)
        assert isinstance(roi, MaskInRoi)
        placed.append(roi)
    return Objects(
        boxes=np.array([mask.box for mask in placed], float).reshape(-1, 4),
        labels=np.array(labels or [0] * len(masks), int),
        masks=placed if has_masks else None,
        is_crowd=np.array([index in crowd for index in range(len(masks))], bool),
    )


def has(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - color).max(axis=2) <= 2).any())


@pytest.mark.parametrize("seed", range(5))
def test_dice_of_label_maps_is_that_of_a_count_by_hand(seed: int) -> None:
    """Of the classes that occur on either side, without background and without unknown pixels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (60, 80)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    predicted = rng.integers(0, 3, truth.shape).astype(np.uint8)

    _, score = compare_labels(
        IMAGE[:60, :80],
        predicted,
        truth,
        classes=CLASSES,
        palette=default_palette(CLASSES),
        name="x",
    )

    known = truth != 255
    dice = []
    for index in (1, 2):
        found, wanted = (predicted == index) & known, truth == index
        dice.append(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))
    assert score == pytest.approx(np.mean(dice))


@pytest.mark.parametrize(
    ("found", "wanted", "color"), [(0, 1, MISSED), (1, 0, FALSE), (2, 1, SWAPPED)]
)
def test_difference_has_a_colour_for_each_kind_of_error(
    found: int, wanted: int, color: tuple[int, int, int]
) -> None:
    """Its swatch stands in the legend, and the panel holds it."""
    predicted, truth = (np.full((SIDE, SIDE), index, np.uint8) for index in (found, wanted))

    picture, score = compare_labels(
        IMAGE, predicted, truth, classes=CLASSES, palette=default_palette(CLASSES), name="x"
    )

    assert score == 0
    assert has(picture, color)
    mixed = tuple(round(0.25 * 90 + 0.75 * value) for value in color)
    assert (np.abs(picture.astype(int) - mixed).max(axis=2) <= 2).sum() >= SIDE * SIDE


def test_prediction_without_a_truth_is_drawn_alone_and_has_no_score() -> None:
    """One panel in place of three."""
    labels = np.ones((SIDE, SIDE), np.uint8)
    how = {"classes": CLASSES, "palette": default_palette(CLASSES), "name": "x"}

    alone, score = compare_labels(IMAGE, labels, None, **how)
    beside, perfect = compare_labels(IMAGE, labels, labels, **how)

    assert (score, perfect) == (None, 1.0)
    assert beside.shape[1] > 2.5 * alone.shape[1]


@pytest.mark.parametrize("has_masks", [True, False])
def test_objects_are_matched_one_to_one_best_score_first(has_masks: bool) -> None:
    """A second hit is false, one of another class too; a crowd swallows without counting."""
    truth = objects(
        squares((10, 10, 40), (100, 10, 40), (200, 10, 40), (10, 200, 150)),
        [0, 0, 1, 0],
        crowd=(3,),
        has_masks=has_masks,
    )
    predicted = objects(
        squares((12, 10, 40), (10, 12, 40), (202, 10, 40), (30, 220, 30), (300, 300, 20)),
        [0, 0, 0, 0, 0],
        has_masks=has_masks,
    )

    is_right, is_false, is_found = match_objects(predicted, truth)

    assert is_right.tolist() == [True, False, False, False, False]
    assert is_false.tolist() == [False, True, True, False, True]
    assert is_found.tolist() == [True, False, False, False]


def test_instances_are_drawn_right_missed_and_false_with_their_f1() -> None:
    """2 TP / (2 TP + FP + FN) of one right, one missed, two false."""
    truth = objects(squares((10, 10, 60), (100, 10, 60)))
    predicted = objects(squares((12, 10, 60), (200, 200, 60), (300, 300, 60)))

    picture, score = compare_instances(
        IMAGE, (SIDE, SIDE), predicted, truth, classes=("tank",), palette=((255, 200, 0),), name="x"
    )

    assert score == pytest.approx(2 / (2 + 2 + 1))
    assert all(has(picture, color) for color in (RIGHT, MISSED, FALSE))


@pytest.mark.parametrize(("found", "wanted", "score"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0)])
def test_empty_sides_have_a_score(found: int, wanted: int, score: float) -> None:
    """Nothing to find and nothing found is perfect."""
    one = squares((10, 10, 60))

    picture, given = compare_instances(
        IMAGE,
        (SIDE, SIDE),
        objects(one[:found]),
        objects(one[:wanted]),
        classes=("tank",),
        palette=((255, 200, 0),),
        name="x",
    )

    assert given == score
    assert picture.shape[1] > 3 * 320


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (32, 32), (100, 1000), (1000, 100), (3000, 20)])
def test_comparison_of_any_shape_is_of_a_size_to_look_at(shape: tuple[int, int]) -> None:
    """Tiny ones larger, long ones below each other; never beyond a screen or two."""
    labels = np.zeros(shape, np.uint8)
    labels[0] = 1

    picture, score = compare_labels(
        labels, labels, labels, classes=CLASSES, palette=default_palette(CLASSES), name="n" * 300
    )

    assert score == 1
    assert 100 < max(picture.shape[:2]) <= 3000
