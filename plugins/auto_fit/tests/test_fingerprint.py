# SPDX-License-Identifier: Apache-2.0
"""Facts of drawn data, against what was drawn."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from zoo_auto_fit import fingerprint
from zoo_auto_fit.fingerprint import take_fingerprint
from zoo_auto_fit.objects import objects_of_mask, regions_of_mask, touching_ids

from zoo.data import Prepared

from .conftest import squares

pytestmark = pytest.mark.mm

Prepare = Callable[..., Prepared]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9, 20])
@pytest.mark.parametrize("turned", [False, True])
def test_thickness_of_a_line_is_its_width(width: int, turned: bool) -> None:
    mask = np.zeros((80, 80), bool)
    mask[10:70, 30 : 30 + width] = True

    (found,) = regions_of_mask(mask.T if turned else mask)

    assert abs(found.thickness_px - width) <= 1
    assert found.area_px == 60 * width
    assert found.aspect == 60 / width


def test_thickness_of_a_disc_is_its_diameter() -> None:
    mask = cv2.circle(np.zeros((101, 101), np.uint8), (50, 50), 30, 1, -1).astype(bool)

    found = objects_of_mask(mask)

    assert found is not None
    assert abs(found.thickness_px - 61) <= 2


def test_thickness_of_branches_is_not_that_of_their_trunk() -> None:
    """A tree of one trunk of 15 px and twelve branches of 3 px is thin, by most of its length."""
    mask = np.zeros((200, 200), bool)
    mask[:, 92:107] = True
    for row in range(8, 200, 16):
        mask[row : row + 3, 10:190] = True

    (found,) = regions_of_mask(mask)

    assert 2 <= found.thickness_px <= 4


def test_objects_touch_over_edges_and_corners_of_their_class() -> None:
    ids = np.zeros((6, 12), np.int32)
    ids[0:2, 0:2], ids[2:4, 2:4] = 1, 2  # a corner
    ids[0:2, 6:8], ids[0:2, 8:10] = 3, 4  # an edge, of two classes
    ids[4:6, 10:12] = 5
    classes = np.array([0, 7, 7, 7, 8, 7], np.int32)

    assert touching_ids(ids, classes) == {1, 2}


def test_fingerprint_of_squares_is_what_was_drawn(prepare: Prepare) -> None:
    prepared = prepare(squares(20, size=64, side=20))

    found = take_fingerprint(prepared)

    assert sum(found.images.values()) == 20
    assert found.sampled == found.images["train"]
    assert (found.height_px.median, found.width_px.median) == (64, 64)
    assert (found.channels, found.task) == (1, "semantic")
    assert [one.name for one in found.classes] == ["ground", "thing"]
    assert abs(found.classes[1].pixel_share - 400 / 4096) < 1e-9
    assert found.classes[1].objects == found.sampled
    assert found.object_px is not None
    assert found.object_px.median == 20
    assert found.touching_share == 0


def test_fingerprint_reads_a_bounded_sample(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more images than the limit, those that are read are spaced evenly, and equally twice."""
    prepared = prepare(squares(20))
    monkeypatch.setattr(fingerprint, "MOST_IMAGES", 5)

    first, second = take_fingerprint(prepared), take_fingerprint(prepared)

    assert first.sampled == 5
    assert first == second
    assert first.images["train"] > 5


def test_fingerprint_of_a_class_that_never_occurs_says_so(prepare: Prepare) -> None:
    found = take_fingerprint(prepare([np.zeros((32, 32), np.uint8)] * 20))

    assert (found.classes[1].images, found.classes[1].pixel_share) == (0, 0.0)
    assert found.object_px is None
