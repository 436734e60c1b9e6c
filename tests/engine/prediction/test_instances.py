# SPDX-License-Identifier: Apache-2.0
"""What models of other people give of a window, made whole or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

MakeRun = Callable[..., Path]


def squares() -> NDArray[np.uint8]:
    """Return bright squares of 9 px, one every 20 px, over the seams of 64 px windows too."""
    image = np.zeros((100, 140), np.uint8)
    for top in range(5, 90, 20):
        for left in range(5, 130, 20):
            image[top : top + 9, left : left + 9] = 150
    return image


def changed(run: Path, change: Callable[[Any], None]) -> Any:
    """Return a predictor whose model's instances are changed before they are given."""
    from zoo.engine.prediction.predictor import Predictor

    predictor = Predictor(str(run))
    find = predictor.model.module._find

    def find_otherwise(*args: Any) -> Any:
        sample = find(*args)
        change(sample)
        return sample

    predictor.model.module._find = find_otherwise
    return predictor


def test_masks_without_boxes_get_the_boxes_that_they_fill(make_blobs_run: MakeRun) -> None:
    """SOLO's boxes are zeros: what windows share is then known by the masks alone."""

    def drop_boxes(sample: Any) -> None:
        sample.pred_instances.bboxes *= 0

    result = changed(make_blobs_run(), drop_boxes)(squares())

    expected = [
        [left, top, left + 9, top + 9] for top in range(5, 90, 20) for left in range(5, 130, 20)
    ]
    assert sorted(expected) == sorted(result.boxes.tolist())


def test_boxes_that_are_not_finite_are_refused(make_blobs_run: MakeRun) -> None:
    """As of weights that diverged: JSON has no place for them."""

    def diverge(sample: Any) -> None:
        sample.pred_instances.bboxes *= np.nan

    with pytest.raises(ConfigError, match="boxes: one is not finite") as caught:
        changed(make_blobs_run(), diverge)(squares())
    assert caught.value.hint == "use weights from before its training diverged."


def test_result_without_instances_is_refused(make_blobs_run: MakeRun) -> None:
    """As of a model that gives panoptic maps."""

    def drop(sample: Any) -> None:
        del sample.pred_instances

    with pytest.raises(ConfigError, match="holds no instances") as caught:
        changed(make_blobs_run(), drop)(squares())
    assert caught.value.hint == "use a detector or an instance model of mmdet."


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("tiling", ["", "tiling = dict(tile_px=64, overlap_px=24)"])
def test_masks_when_nothing_is_found_say_whether_the_model_gives_any(
    make_blobs_run: MakeRun, tiling: str, with_masks: bool
) -> None:
    from zoo.engine.prediction.predictor import Predictor

    predictor = Predictor(str(make_blobs_run(tiling, with_masks=with_masks)))

    assert predictor(np.zeros((70, 90), np.uint8)).masks == (() if with_masks else None)


def test_model_that_fills_the_memory_is_told_of_smaller_windows(make_blobs_run: MakeRun) -> None:
    """What the system refuses to give is a real allocation of 256 TiB."""
    import torch

    def fill_memory(_: Any) -> None:
        torch.empty(2**48, dtype=torch.uint8)

    with pytest.raises(DataError) as caught:
        changed(make_blobs_run(), fill_memory)(squares())

    assert "the model fails: " in caught.value.message
    assert caught.value.hint == "try smaller windows (--tile-size) or a smaller image."
