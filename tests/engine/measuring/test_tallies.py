# SPDX-License-Identifier: Apache-2.0
"""Counts of tested images against plain loops, and read back from ``zoo test --out``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.engine.work_dir.tested import read_test
from zoo.errors import DataError

pytestmark = pytest.mark.mm


class Images:
    metainfo: dict[str, Any] = {"classes": ("ground", "square", "disc")}  # noqa: RUF012


def tally_of(sample: Any, dataset: Any = None) -> dict[str, Any]:
    from zoo.engine.measuring.tallies import TestTallies

    tallies = TestTallies(dataset or Images())
    tallies.after_test_iter(None, 0, outputs=[sample])
    (row,) = tallies.joined([{"file": "a.png"}])
    return row


@pytest.mark.parametrize(
    ("head", "is_of_masks"),
    [
        *(("MaskFormerHead", True), ("Mask2FormerHead", True), ("SideAdapterCLIPHead", True)),
        *(("FCNHead", False), ("SegformerHead", False), ("IterativeDecodeHead", False)),
        ("PointHead", False),
    ],
)
@pytest.mark.parametrize("form", ["plain", "subclass", "cascade"])
def test_sums_of_masks_are_no_logits(head: str, form: str, is_of_masks: bool) -> None:
    """Of mmseg's own heads, and of those that inherit from them or end a cascade."""
    from types import SimpleNamespace

    import mmseg.models.decode_heads as heads
    from torch.nn import Module, ModuleList

    from zoo.engine.measuring.tallies import has_scores_of_masks

    kind = getattr(heads, head)
    kind = type("Mine", (kind,), {}) if form == "subclass" else kind
    made = kind.__new__(kind)  # its networks do not matter
    Module.__init__(made)
    found = ModuleList([Module(), made]) if form == "cascade" else made

    assert has_scores_of_masks(SimpleNamespace(decode_head=found)) is is_of_masks


def test_model_without_a_head_has_no_scores_of_masks() -> None:
    """A detector, and a segmentor of another library."""
    from zoo.engine.measuring.tallies import has_scores_of_masks

    assert not has_scores_of_masks(object())


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 11), (1200, 900)])
def test_pixels_are_counted_as_by_a_loop(height: int, width: int) -> None:
    """Ignored pixels count nowhere; confidence is the softmax of the predicted class."""
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    random = np.random.default_rng(height)
    logits = random.normal(0, 2, (3, height, width)).astype(np.float32)
    truth = random.choice([0, 1, 2, 255], (height, width))
    sample = SegDataSample(metainfo={"img_path": "a.png"})
    sample.seg_logits = PixelData(data=torch.from_numpy(logits))
    sample.pred_sem_seg = PixelData(data=torch.from_numpy(logits).argmax(0, keepdim=True))
    sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])

    row = tally_of(sample)

    known, predicted = truth != 255, logits.argmax(0)
    expected = [[int(((truth == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
    assert row["confusion"] == expected
    softmax = np.exp(logits.astype(np.float64))
    confidence = (softmax.max(0) / softmax.sum(0))[known]
    right = (truth == predicted)[known]
    assert [bin_[0] for bin_ in row["calibration"]] == pytest.approx(
        np.histogram(confidence, 10, (0, 1))[0].tolist(), abs=2
    )
    assert sum(bin_[1] for bin_ in row["calibration"]) == pytest.approx(confidence.sum(), rel=1e-4)
    assert sum(bin_[2] for bin_ in row["calibration"]) == right.sum()


def label_map(scores: Any, predicted: Any, truth: Any) -> Any:
    """A data sample of one image: ``(C, H, W)`` scores and ``(H, W)`` labels."""
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo={"img_path": "a.png"})
    sample.seg_logits = PixelData(data=torch.as_tensor(scores))
    sample.pred_sem_seg = PixelData(data=torch.as_tensor(predicted)[None])
    sample.gt_sem_seg = PixelData(data=torch.as_tensor(truth)[None])
    return sample


@pytest.mark.parametrize("is_sigmoid", [False, True], ids=["logits", "probabilities"])
def test_one_channel_is_the_probability_of_class_one(is_sigmoid: bool) -> None:
    """mmseg returns a sigmoid of one channel, not logits; a low threshold makes unsure pixels 1."""
    import torch

    logits = torch.tensor([[[-3.0, 3.0, -0.6]]])
    scores = logits.sigmoid() if is_sigmoid else logits

    row = tally_of(label_map(scores, [[0, 1, 1]], [[0, 0, 1]]))

    sure, unsure = 1 / (1 + np.exp(-3)), 1 / (1 + np.exp(0.6))
    assert row["calibration"][9] == [2, pytest.approx(2 * sure, abs=1e-3), 1]
    assert row["calibration"][3] == [1, pytest.approx(unsure, abs=1e-3), 1]


def test_confidence_is_that_of_the_label_and_not_of_the_most_probable_class() -> None:
    """Postprocessing changes labels: a removed speck is as sure of the ground as its scores say."""
    scores = np.log(np.array([[[0.75, 0.25]], [[0.15, 0.65]], [[0.10, 0.10]]]))

    row = tally_of(label_map(scores, [[0, 0]], [[0, 0]]))

    assert row["calibration"][7] == [1, pytest.approx(0.75, abs=1e-3), 1]
    assert row["calibration"][2] == [1, pytest.approx(0.25, abs=1e-3), 1]
    assert sum(count for count, _, _ in row["calibration"]) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_no_confidence(value: float) -> None:
    """A model that diverged is tested, and its report says what it is worth."""
    scores = np.full((3, 1, 2), value)

    row = tally_of(label_map(scores, [[0, 2]], [[0, 0]]))

    assert row["calibration"][0] == [2, 0.0, 1]


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_scores_of_other_classes_are_no_calibration(channels: int) -> None:
    """Three classes have three channels; whatever else they are, they are not those scores."""
    row = tally_of(label_map(np.zeros((channels, 1, 2)), [[0, 2]], [[0, 0]]))

    assert row["confusion"] == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert "calibration" not in row


@pytest.mark.parametrize("classes", [50, 51, 200])
def test_many_classes_keep_their_calibration(classes: int) -> None:
    """A square of counts for each image is written for 50 classes at most."""
    dataset = Images()
    dataset.metainfo = {"classes": tuple(map(str, range(classes)))}

    row = tally_of(label_map(np.zeros((classes, 1, 2)), [[0, 2]], [[0, 0]]), dataset)

    assert ("confusion" in row) == (classes <= 50)
    assert sum(count for count, _, _ in row["calibration"]) == 2


@pytest.mark.parametrize("classes", [1, 80, 365])
def test_objects_of_many_classes_are_listed(classes: int) -> None:
    """They are lists, whose length does not depend on the number of classes."""
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    class Boxes(Images):
        metainfo = {"classes": tuple(map(str, range(classes)))}  # noqa: RUF012

        def __len__(self) -> int:
            return 1

        def get_data_info(self, index: int) -> dict[str, Any]:
            box = {"bbox": [0, 0, 8, 8], "bbox_label": classes - 1}
            return {"img_path": "a.png", "instances": [box]}

    sample = DetDataSample(metainfo={"img_path": "a.png", "ori_shape": (9, 9)})
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 8, 8]]), scores=torch.tensor([0.5]), labels=torch.tensor([0])
    )

    row = tally_of(sample, Boxes())

    assert row["true"] == [[classes - 1, 64, 0]]
    assert row["predicted"] == [[0, 0.5, 0, 1.0]]


@pytest.mark.parametrize("seed", range(20))
def test_objects_are_paired_as_by_a_loop(seed: int) -> None:
    """Best score first, each takes the free true object of the best IoU from 0.5 on."""
    from zoo.engine.measuring.tallies import list_objects
    from zoo.engine.overlays.instance_comparison import Objects

    random = np.random.default_rng(seed)

    def boxes(count: int) -> Any:
        corners = random.integers(0, 40, (count, 2))
        return np.concatenate([corners, corners + random.integers(4, 30, (count, 2))], 1) * 1.0

    count, others = int(random.integers(0, 12)), int(random.integers(0, 12))
    true, crowd = boxes(others), random.random(others) < 0.2
    near = (
        true[random.integers(0, others, count)] + random.integers(-2, 3, (count, 4))
        if others
        else boxes(count)
    )
    truth = Objects(true, random.integers(0, 3, others), None, crowd)
    predicted = Objects(near, random.integers(0, 3, count), None, np.zeros(count, bool))
    scores = np.sort(random.random(count))[::-1]

    found = list_objects(predicted, scores, truth)

    def area(box: Any) -> float:
        return float(max(0, box[2] - box[0]) * max(0, box[3] - box[1]))

    def overlap(box: Any, other: Any, *, is_crowd: bool) -> float:
        shared = area([*np.maximum(box[:2], other[:2]), *np.minimum(box[2:], other[2:])])
        return shared / (area(box) if is_crowd else area(box) + area(other) - shared)

    free = [i for i in range(others) if not crowd[i]]
    place = {index: number for number, index in enumerate(free)}
    expected = []
    for k in range(count):
        best = max(free, key=lambda i: overlap(near[k], true[i], is_crowd=False), default=None)
        iou = overlap(near[k], true[best], is_crowd=False) if best is not None else 0.0
        if best is not None and iou >= 0.5:
            free.remove(best)
            expected.append((place[best], round(iou, 4)))
        elif not any(
            crowd[i] and overlap(near[k], true[i], is_crowd=True) >= 0.5 for i in range(others)
        ):
            expected.append((-1, 0.0))
    assert [(row[2], pytest.approx(row[3], abs=2e-4)) for row in found["predicted"]] == expected
    assert len(found["true"]) == int((~crowd).sum())
    for number, row in enumerate(found["true"]):
        assert row[2] == -1 or found["predicted"][int(row[2])][2] == number


def write(path: Path, row: dict[str, Any]) -> Path:
    rows = [{"file": "a.png", "values": {"dice": 0.5}, **row}]
    document = {"schema": "zoo.test/1", "metrics": {}, "classes": ["a", "b"], "per_image": rows}
    path.write_text(json.dumps(document))
    return path


def test_counts_are_read_back(tmp_path: Path) -> None:
    """A file without them, as of earlier versions, is read too."""
    row = {
        "confusion": [[5, 1], [2, 7]],
        "calibration": [[15, 12.5, 12]] * 10,
        "true": [[1, 400, 0]],
        "predicted": [[1, 0.9, 0, 0.75]],
    }

    found = read_test(write(tmp_path / "t.json", row))

    assert found.classes == ("a", "b")
    tally = found.tallies["a.png"]
    assert [list(each) for each in tally.confusion] == row["confusion"]
    assert [list(each) for each in tally.true] == row["true"]
    assert [list(each) for each in tally.predicted] == row["predicted"]
    assert read_test(write(tmp_path / "t.json", {})).tallies == {}


@pytest.mark.parametrize(
    "row",
    [
        {"confusion": [[1]]},
        {"confusion": [[1, 2], [3]]},
        {"confusion": [[1, 2], [3, "4"]]},
        {"confusion": {"a": 1}},
        {"confusion": [[1, -5], [3, 4]]},
        {"calibration": [[1, 2]]},
        {"calibration": 7},
        {"true": [[2, 100, -1]]},
        {"true": [[0, 100, 0]]},
        {"true": [[0.5, 100, -1]]},
        {"predicted": [[0, 0.5, 3, 0.5]]},
        {"predicted": [[0, True, -1, 0.5]]},
        {"predicted": ["abc"]},
    ],
    ids=str,
)
def test_counts_of_another_shape_give_one_message(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(
        DataError, match=r"cannot read 't\.json': its per-image '\w+' is not a list"
    ):
        read_test(write(tmp_path / "t.json", row))
