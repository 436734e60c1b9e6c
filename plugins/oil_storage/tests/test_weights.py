# SPDX-License-Identifier: Apache-2.0
"""The weights that ship: they open by their name, and find tanks on scenes of another seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.mm, pytest.mark.slow]


def iou(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Return ``(M, N)`` of boxes xyxy."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    found: NDArray[Any] = shared / (areas[0][:, None] + areas[1][None] - shared)
    return found


def test_shipped_weights_find_tanks_of_scenes_never_seen(tmp_path: Path) -> None:
    """Two scenes of another seed, whole: most tanks, and not many of the ponds and roundabouts.

    The sample draws round things to be taken for tanks, and 400 steps are few: all 46 tanks
    were found among 67 instances when the weights were made.
    """
    from zoo_oil_storage.sample import write_sample

    write_sample(tmp_path / "raw", seed=5, count=2)
    truth = json.loads((tmp_path / "raw/truth/annotations.json").read_text())
    predict = zoo.load("mask_rcnn_small_tanks", device="cpu")
    found = wanted = right = 0
    for image in truth["images"]:
        rows = [row["bbox"] for row in truth["annotations"] if row["image_id"] == image["id"]]
        tanks = np.array(rows, float).reshape(-1, 4)
        tanks[:, 2:] += tanks[:, :2]

        result = predict(tmp_path / "raw/images" / image["file_name"])

        agrees = iou(result.boxes.astype(float), tanks) >= 0.5
        right += int(agrees.any(axis=0).sum())
        found, wanted = found + len(result), wanted + len(tanks)
        assert result.windows == 4
        assert result.mask(0).shape == (768, 768)
    assert right >= 0.85 * wanted
    assert right >= 0.6 * found
