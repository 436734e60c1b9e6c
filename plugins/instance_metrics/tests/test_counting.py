# SPDX-License-Identifier: Apache-2.0
"""Errors of counts by their definitions, and F1 of an image against pycocotools' matches."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_instance_metrics.coco import CocoMetric

pytestmark = pytest.mark.mm

IMAGE = {"id": 1, "file_name": "a.png", "height": 64, "width": 64}


def pycocotools_f1(lab: SimpleNamespace, path: Path, sample: dict[str, Any], kind: str) -> Any:
    """F1 at IoU 0.5 of an image from pycocotools' matches, of predictions with 0.5 or more."""
    found = sample["pred_instances"]
    kept = found["scores"] >= 0.5
    certain = sample | {"pred_instances": {name: v[kept] for name, v in found.items()}}
    evaluator = lab.run_pycocotools(path, [certain], kind, [])
    rights = wrongs = missed = 0
    for row in evaluator.evalImgs:
        if row is None or row["image_id"] != sample["img_id"]:
            continue
        is_right = (row["dtMatches"][0] > 0) & ~row["dtIgnore"][0]
        rights += int(is_right.sum())
        wrongs += int((~is_right & ~row["dtIgnore"][0]).sum())
        missed += int((row["gtIgnore"] == 0).sum()) - int(is_right.sum())
    total = 2 * rights + wrongs + missed
    return 2 * rights / total if total else None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_f1_of_any_image_equals_that_of_pycocotools_matches(
    lab: SimpleNamespace, seed: int
) -> None:
    """With crowds, two classes, and images without instances or predictions."""
    scenes = lab.make_scenes(seed, 4)
    samples = [sample for _, _, sample in scenes]
    with tempfile.TemporaryDirectory() as folder:
        path = lab.write_coco(Path(folder) / "val.json", scenes)

        _, metric = lab.evaluate(samples, ann_file=str(path))

        for sample, image in zip(samples, metric.per_image_values(), strict=True):
            for kind in ("bbox", "segm"):
                expected = pycocotools_f1(lab, path, sample, kind)
                actual = image["values"].get(f"{kind}_F1_50")
                assert expected == pytest.approx(actual), (sample["img_path"], kind)


def count(
    lab: SimpleNamespace, folder: Path, *pairs: tuple[list[float], int], **options: Any
) -> Any:
    """Evaluate images of so many true instances with predictions of these scores."""
    scenes = []
    for number, (scores, true) in enumerate(pairs):
        image = IMAGE | {"id": number, "file_name": f"{number}.png"}
        boxes = np.array([[4.0 * n, 0, 3, 3] for n in range(max(len(scores), true))]).reshape(-1, 4)
        rows = [
            {"image_id": number, "category_id": 7, "bbox": box.tolist(), "area": 9, "iscrowd": 0}
            for box in boxes[:true]
        ]
        sample = lab.sample_of(image, boxes[: len(scores)], [0] * len(scores), scores)
        scenes.append((image, rows, sample))
    path = lab.write_coco(folder / "val.json", scenes)
    samples = [sample for _, _, sample in scenes]
    return lab.evaluate(samples, ann_file=str(path), metric="bbox", **options)


def test_count_errors_are_means_of_differences(lab: SimpleNamespace, tmp_path: Path) -> None:
    """5 found for 4, 1 for 4, 1 for 0: errors 1, 3, 1; the last has no relative error."""
    actual, metric = count(lab, tmp_path, ([0.9] * 5, 4), ([0.7], 4), ([0.6], 0))

    assert actual["coco/count_error"] == pytest.approx((1 + 3 + 1) / 3)
    assert actual["coco/count_bias"] == pytest.approx((1 - 3 + 1) / 3)
    assert actual["coco/count_error_relative"] == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert [row["values"] for row in metric.per_image_values()] == [
        {
            "count_predicted": 5,
            "count_true": 4,
            "count_error": 1,
            "bbox_F1_50": pytest.approx(2 * 4 / 9),
        },
        {
            "count_predicted": 1,
            "count_true": 4,
            "count_error": 3,
            "bbox_F1_50": pytest.approx(2 / 5),
        },
        {"count_predicted": 1, "count_true": 0, "count_error": 1, "bbox_F1_50": 0.0},
    ]


@pytest.mark.parametrize(("score_thr", "expected"), [(0.0, 3), (0.5, 2), (0.75, 1), (1, 0)])
def test_count_of_predictions_starts_at_the_score(
    lab: SimpleNamespace, tmp_path: Path, score_thr: float, expected: int
) -> None:
    """That score included; AP takes all of them at any."""
    actual, metric = count(lab, tmp_path, ([0.75, 0.5, 0.25], 3), score_thr=score_thr)

    assert metric.per_image_values()[0]["values"]["count_predicted"] == expected
    assert actual["coco/bbox_mAP"] == 1.0


def test_image_without_instances_or_finds_has_no_f1(lab: SimpleNamespace, tmp_path: Path) -> None:
    """There is nothing to be right or wrong about; counts of 0 are right."""
    actual, metric = count(lab, tmp_path, ([], 0), ([0.9], 1))

    assert metric.per_image_values()[0] == {
        "file": "images/0.png",
        "values": {"count_predicted": 0, "count_true": 0, "count_error": 0},
    }
    assert actual["coco/count_error"] == 0.0


def test_crowd_is_no_instance_and_what_lies_on_it_is_not_wrong(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    crowd = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 40, 40], "area": 1600, "iscrowd": 1}
    one = {"image_id": 1, "category_id": 7, "bbox": [50, 50, 9, 9], "area": 81, "iscrowd": 0}
    path = lab.write_coco(tmp_path / "val.json", [(IMAGE, [crowd, one], {})])
    boxes = np.array([[3.0, 3, 9, 9], [20, 20, 9, 9], [50, 50, 9, 9]])
    sample = lab.sample_of(IMAGE, boxes, [0, 0, 0], [0.9, 0.8, 0.7])

    _, metric = lab.evaluate([sample], ann_file=str(path), metric="bbox")

    assert metric.per_image_values()[0]["values"] == {
        "count_predicted": 3,
        "count_true": 1,
        "count_error": 2,
        "bbox_F1_50": 1.0,
    }


def test_per_image_values_after_second_evaluate_are_of_the_second(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    _, metric = count(lab, tmp_path, ([0.9], 1), ([0.8], 1))
    image = IMAGE | {"id": 1, "file_name": "1.png"}
    metric.process({}, [lab.sample_of(image, np.array([[0.0, 0, 3, 3]]), [0], [0.9])])

    metric.evaluate(1)

    assert [row["file"] for row in metric.per_image_values()] == ["images/1.png"]


def test_per_image_values_before_evaluate_are_none() -> None:
    assert CocoMetric().per_image_values() == []
