# SPDX-License-Identifier: Apache-2.0
"""What cannot be evaluated is refused in one message that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from zoo_instance_metrics.coco import CocoMetric

from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm


@pytest.mark.parametrize(
    ("options", "where", "sentence"),
    [
        (
            {"metric": "boxes"},
            "metric",
            "cannot evaluate 'boxes': expected 'bbox', 'segm' or both.",
        ),
        ({"metric": []}, "metric", "cannot evaluate nothing: expected 'bbox'"),
        ({"metric": ["bbox", "proposal"]}, "metric", "cannot evaluate 'proposal'"),
        (
            {"max_dets": (100, 1)},
            "max_dets",
            r"max_dets \(100, 1\): expected whole numbers above 0, a",
        ),
        ({"max_dets": (0, 10)}, "max_dets", r"max_dets \(0, 10\)"),
        ({"max_dets": ()}, "max_dets", r"max_dets \(\)"),
        ({"max_dets": (1, 1)}, "max_dets", r"max_dets \(1, 1\)"),
        ({"max_dets": 100.0}, "max_dets", "max_dets 100.0"),
        ({"sizes": [0, 32]}, "sizes", r"sizes \[0, 32\]: expected names with a range"),
        ({"sizes": {"a b": (0, 1)}}, "sizes", "cannot name a size 'a b': expected letters"),
        ({"sizes": {"50": (0, 1)}}, "sizes", "cannot name a size '50'"),
        ({"sizes": {"s": (5, 5)}}, "sizes", r"the size 's': \(5, 5\), expected \(from, to\) in px"),
        ({"sizes": {"s": (-1, 5)}}, "sizes", "the size 's'"),
        ({"sizes": {"s": (None, 5)}}, "sizes", "the size 's'"),
        ({"sizes": {"s": (1, 2, 3)}}, "sizes", "the size 's'"),
        ({"sizes": {"s": 5}}, "sizes", "the size 's'"),
        ({"sizes": {"s": (0, float("nan"))}}, "sizes", "the size 's'"),
        ({"score_thr": 1.5}, "score_thr", "the score threshold 1.5: expected a number from 0 to 1"),
        ({"score_thr": float("nan")}, "score_thr", "the score threshold nan"),
        ({"score_thr": "0.5"}, "score_thr", "the score threshold '0.5'"),
    ],
)
def test_error_when_an_option_is_none_names_it(
    options: dict[str, Any], where: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        CocoMetric(**options)

    assert f"where: CocoMetric.{where}" in str(caught.value)


def test_error_when_ground_truth_is_missing_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "val.json"

    with pytest.raises(DataError, match=r"there is no COCO JSON 'val\.json'") as caught:
        CocoMetric(ann_file=str(path))

    assert f"where: {path}\nHINT: give the evaluator's ann_file" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d: d.pop("images"),
            "cannot read 'val.json' as COCO: it has no list called 'images'",
        ),
        (
            lambda d: d["annotations"][0].update(image_id=99),
            "image_id is 99, which is not the id of an image",
        ),
        (lambda d: d["annotations"][0].pop("segmentation"), "annotation 1 has only a box"),
        (
            lambda d: d["annotations"][0].update(area=-1),
            "annotation 1: its area is -1, expected px",
        ),
        (lambda d: d["annotations"][0].update(area="9"), "annotation 1: its area is '9'"),
    ],
)
def test_error_when_ground_truth_does_not_hold_names_the_row(
    lab: SimpleNamespace, tmp_path: Path, change: Callable[[Any], Any], sentence: str
) -> None:
    path = lab.write_coco(tmp_path / "val.json", lab.make_scenes(0))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))

    with pytest.raises(DataError, match=sentence) as caught:
        CocoMetric(ann_file=str(path))

    assert f"where: {path}\nHINT: " in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"img_id": 999}, "by 'val.json': found no image with the id 999"),
        ({"img_id": None}, "found no image with the id None"),
        ({"img_path": "images/other.png"}, "'images/other.png' by 'val.json': found '0.png' with"),
        ({"ori_shape": (7, 9)}, r"found \d+x\d+ px, the image has 9x7"),
    ],
)
def test_error_when_ground_truth_is_of_other_images_tells(
    lab: SimpleNamespace, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    scenes = lab.make_scenes(0)
    path = lab.write_coco(tmp_path / "val.json", scenes)

    with pytest.raises(DataError, match=sentence) as caught:
        lab.evaluate([scenes[0][2] | change], ann_file=str(path))

    assert f"HINT: set the evaluator's ann_file to that of the data set, not {path}." in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": torch.tensor([0, 2])}, "has the label 2, expected one from 0 to 1"),
        ({"labels": torch.tensor([0, -1])}, "has the label -1"),
        ({"scores": torch.tensor([0.5, float("nan")])}, "box or score is not finite"),
        ({"bboxes": torch.tensor([[0.0, 0, 1, 1], [0, 0, float("inf"), 1]])}, "is not finite"),
        (
            {"masks": torch.zeros(2, 8, 16, dtype=torch.bool)},
            "of 16x8 px, expected the image's 16x16",
        ),
        ({"masks": [{"size": [8, 16], "counts": b"0"}] * 2}, "found masks of 16x8 px"),
        ({"masks": None}, "cannot evaluate masks: the model predicts boxes only"),
    ],
)
def test_error_when_a_prediction_cannot_be_scored_names_the_image(
    lab: SimpleNamespace, change: dict[str, Any], sentence: str
) -> None:
    found = {
        "bboxes": torch.tensor([[0.0, 0, 4, 4], [4, 4, 8, 8]]),
        "labels": torch.tensor([0, 1]),
        "scores": torch.tensor([0.5, 0.6]),
        "masks": torch.zeros(2, 16, 16, dtype=torch.bool),
    }
    truth = {name: found[name] for name in ("bboxes", "labels", "masks")}
    changed = {name: value for name, value in (found | change).items() if value is not None}
    sample = {"img_path": "images/bad.png", "ori_shape": (16, 16), "gt_instances": truth}

    with pytest.raises(DataError, match=sentence) as caught:
        lab.evaluate([sample | {"pred_instances": changed}])

    assert "where: images/bad.png\nHINT: " in str(caught.value)


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        (None, "the data sample has no ground truth instances"),
        ({}, "the data sample has no ground truth instances"),
        (
            {"bboxes": torch.ones(1, 4), "labels": torch.tensor([0])},
            "cannot evaluate masks: the data sample has only boxes",
        ),
        (
            {
                "bboxes": torch.ones(1, 4),
                "labels": torch.tensor([0]),
                "masks": torch.zeros(1, 24, 24, dtype=torch.bool),
            },
            "found masks of 24x24 px, expected the image's 16x16",
        ),
        (
            {
                "bboxes": torch.ones(1, 4),
                "labels": torch.tensor([5]),
                "masks": torch.zeros(1, 16, 16, dtype=torch.bool),
            },
            "a true instance has the label 5, expected one from 0 to 1",
        ),
    ],
)
def test_error_when_samples_truth_cannot_be_used_names_the_image(
    lab: SimpleNamespace, truth: dict[str, Any] | None, sentence: str
) -> None:
    """Masks of the network's size: they were loaded before Resize."""
    sample = {"img_path": "images/bad.png", "ori_shape": (16, 16), "pred_instances": {}}

    with pytest.raises(DataError, match=sentence) as caught:
        lab.evaluate([sample | {"gt_instances": truth}])

    assert "where: images/bad.png\nHINT: " in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        (("tank", "silo"), "the class 'silo': no category of that name, found 'tank', 'tower'"),
        (("tower", "tank"), "the classes 'tower', 'tank': found 'tank', 'tower', whose order"),
    ],
)
def test_error_when_classes_are_not_those_of_the_file_tells(
    lab: SimpleNamespace, tmp_path: Path, classes: tuple[str, ...], sentence: str
) -> None:
    """mmdet numbers labels by the file's order, whatever the metainfo's is."""
    scenes = lab.make_scenes(0)
    metric = CocoMetric(ann_file=str(lab.write_coco(tmp_path / "val.json", scenes)))
    metric.dataset_meta = {"classes": classes}

    with pytest.raises(ConfigError, match=sentence):
        metric.process({}, [scenes[0][2]])


def test_error_when_data_set_names_no_classes_tells() -> None:
    with pytest.raises(ConfigError, match="the data set names no classes"):
        CocoMetric().process({}, [{}])


def test_error_when_an_image_is_there_twice_tells(lab: SimpleNamespace, tmp_path: Path) -> None:
    scenes = lab.make_scenes(0)
    path = lab.write_coco(tmp_path / "val.json", scenes)

    with pytest.raises(DataError, match="the image with the id 3 appears twice"):
        lab.evaluate([scenes[0][2]] * 2, ann_file=str(path))
