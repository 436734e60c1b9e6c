# SPDX-License-Identifier: Apache-2.0
"""AP and AR against pycocotools."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle_tools

pytestmark = pytest.mark.mm

SIZES = {"tiny": (0, 5), "middle": (5, 9.5), "huge": (9.5, None)}
AREAS = [(0.0, 25.0), (25.0, 9.5**2), (9.5**2, 1e10)]


def numbers_of(evaluator: Any, kind: str) -> dict[str, float]:
    """AP and AR from pycocotools' arrays, by the definitions; what is -1 everywhere is NaN."""

    def mean(values: Any) -> float:
        return float(np.mean(values[values > -1])) if (values > -1).any() else float("nan")

    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    thresholds = np.round(evaluator.params.iouThrs, 2).tolist()
    at = {"": slice(None), "_50": thresholds.index(0.5), "_75": thresholds.index(0.75)}
    found = {f"coco/{kind}_mAP{name}": mean(precision[t][..., 0, -1]) for name, t in at.items()}
    sizes = {name: mean(precision[..., 1 + n, -1]) for n, name in enumerate(SIZES)}
    found |= {f"coco/{kind}_mAP_{name}": v for name, v in sizes.items() if not np.isnan(v)}
    limits = evaluator.params.maxDets
    return found | {f"coco/{kind}_AR@{m}": mean(recall[..., 0, n]) for n, m in enumerate(limits)}


def samples_of(scenes: list[Any]) -> list[dict[str, Any]]:
    return [sample for _, _, sample in scenes]


def expect(
    lab: SimpleNamespace,
    path: Path,
    scenes: list[Any],
    max_dets: tuple[int, ...] = (1, 100, 1000),
) -> dict[str, float]:
    found = {}
    for kind in ("bbox", "segm"):
        found |= numbers_of(
            lab.run_pycocotools(path, samples_of(scenes), kind, AREAS, max_dets), kind
        )
    return found


def without_counts(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if "/count_" not in name}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), count=st.integers(1, 8))
def test_values_of_any_scenes_equal_pycocotools(
    lab: SimpleNamespace, seed: int, count: int
) -> None:
    """With crowds, ties, images without instances or predictions, and two classes."""
    scenes = lab.make_scenes(seed, count)
    with tempfile.TemporaryDirectory() as folder:
        path = lab.write_coco(Path(folder) / "val.json", scenes)

        actual, _ = lab.evaluate(samples_of(scenes), ann_file=str(path), sizes=SIZES)

        expected = expect(lab, path, scenes)
        assert expected == pytest.approx(without_counts(actual), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("max_dets", [(1, 100, 1000), (1, 10, 150)])
def test_values_of_more_than_a_hundred_instances_equal_pycocotools(
    lab: SimpleNamespace, tmp_path: Path, max_dets: tuple[int, ...]
) -> None:
    """1,200 and more predictions of 300 instances an image: each limit bites."""
    scenes = lab.make_scenes(1, 2, least=300, most=300, wrong=2500)
    path = lab.write_coco(tmp_path / "val.json", scenes)
    samples = samples_of(scenes)
    assert max(len(sample["pred_instances"]["labels"]) for sample in samples) > 1200

    actual, _ = lab.evaluate(samples, ann_file=str(path), sizes=SIZES, max_dets=max_dets)

    expected = expect(lab, path, scenes, max_dets)
    assert expected == pytest.approx(without_counts(actual), abs=1e-12)
    recalls = [actual[f"coco/segm_AR@{limit}"] for limit in max_dets]
    assert recalls == sorted(set(recalls))


def test_values_of_samples_own_truth_equal_those_of_the_file(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """mmdet's structures of boxes and masks, and crowds among the instances to ignore."""
    scenes = lab.make_scenes(2, 8)
    path = lab.write_coco(tmp_path / "val.json", scenes)

    expected, _ = lab.evaluate(samples_of(scenes), ann_file=str(path))
    actual, _ = lab.evaluate([lab.with_truth(scene) for scene in scenes])

    assert expected == pytest.approx(actual, abs=1e-12)


def test_values_of_polygons_equal_those_of_the_file(lab: SimpleNamespace, tmp_path: Path) -> None:
    """Outlines, of several parts too, are drawn as pycocotools draws them."""
    outlines = [[1.2, 1, 9.7, 2, 9, 9.5, 2, 8], [20, 20, 28.5, 20, 28.5, 31, 20.3, 30]]
    scenes = lab.make_scenes(3, 2, least=2, most=2)
    for _, annotations, _ in scenes:
        for row in annotations:
            row |= {"segmentation": outlines, "iscrowd": 0}
            del row["area"]
    path = lab.write_coco(tmp_path / "val.json", scenes)

    actual, _ = lab.evaluate([lab.with_truth(scene, outlines) for scene in scenes], sizes=SIZES)

    loaded = json.loads(path.read_text())
    for row in loaded["annotations"]:
        size = next(i for i in loaded["images"] if i["id"] == row["image_id"])
        rle = rle_tools.merge(rle_tools.frPyObjects(outlines, size["height"], size["width"]))
        row["area"] = float(rle_tools.area(rle))
    from_file, _ = lab.evaluate(samples_of(scenes), ann_file=str(path), sizes=SIZES)
    path.write_text(json.dumps(loaded))
    expected = expect(lab, path, scenes)
    assert expected == pytest.approx(without_counts(actual), abs=1e-12)
    assert expected == pytest.approx(without_counts(from_file), abs=1e-12)


def test_values_of_uncompressed_run_lengths_equal_those_of_compressed_ones(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """As COCO's own files have them for crowds."""
    scenes = lab.make_scenes(4, 4)
    before = lab.write_coco(tmp_path / "before.json", scenes)
    for _, annotations, _ in scenes:
        for row in annotations:
            flat = np.ravel(rle_tools.decode(row["segmentation"]), order="F")
            edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
            counts = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
            row["segmentation"] = row["segmentation"] | {"counts": counts}
    after = lab.write_coco(tmp_path / "after.json", scenes)

    expected, _ = lab.evaluate(samples_of(scenes), ann_file=str(before))
    actual, _ = lab.evaluate(samples_of(scenes), ann_file=str(after))

    assert expected == actual


def test_values_of_predictions_as_run_lengths_equal_those_of_masks(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """mmdet's test-time augmentation gives run lengths."""
    scenes = lab.make_scenes(5)
    path = lab.write_coco(tmp_path / "val.json", scenes)
    expected, _ = lab.evaluate(samples_of(scenes), ann_file=str(path))
    for sample in samples_of(scenes):
        masks = sample["pred_instances"]["masks"].numpy().astype(np.uint8)
        encoded = [rle_tools.encode(np.asfortranarray(mask)) for mask in masks]
        sample["pred_instances"]["masks"] = encoded

    actual, _ = lab.evaluate(samples_of(scenes), ann_file=str(path))

    assert expected == actual


def test_values_do_not_depend_on_the_order_of_images(lab: SimpleNamespace, tmp_path: Path) -> None:
    """Ties between images are broken by their ids, as pycocotools does."""
    scenes = lab.make_scenes(6, 8)
    path = lab.write_coco(tmp_path / "val.json", scenes)

    expected, _ = lab.evaluate(samples_of(scenes), ann_file=str(path))
    actual, metric = lab.evaluate(samples_of(scenes)[::-1], ann_file=str(path))

    assert expected == actual
    assert [row["file"] for row in metric.per_image_values()] == [
        sample["img_path"] for sample in samples_of(scenes)[::-1]
    ]


def test_masks_with_scores_of_their_own_are_ranked_by_them(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """As Mask Scoring R-CNN gives them; boxes keep theirs."""
    scenes = lab.make_scenes(7)
    path = lab.write_coco(tmp_path / "val.json", scenes)
    before, _ = lab.evaluate(samples_of(scenes), ann_file=str(path))
    own = [{"mask_scores": 1 - s["pred_instances"]["scores"]} for s in samples_of(scenes)]
    with_own = [
        sample | {"pred_instances": sample["pred_instances"] | scores}
        for sample, scores in zip(samples_of(scenes), own, strict=True)
    ]
    swapped = [
        sample | {"pred_instances": sample["pred_instances"] | {"scores": scores["mask_scores"]}}
        for sample, scores in zip(samples_of(scenes), own, strict=True)
    ]

    actual, _ = lab.evaluate(with_own, ann_file=str(path))

    expected, _ = lab.evaluate(swapped, ann_file=str(path))
    assert actual["coco/bbox_mAP"] == before["coco/bbox_mAP"]
    assert actual["coco/segm_mAP"] == expected["coco/segm_mAP"] != before["coco/segm_mAP"]


def test_values_of_boxes_alone_need_no_masks(lab: SimpleNamespace, tmp_path: Path) -> None:
    scenes = lab.make_scenes(8)
    both, _ = lab.evaluate(
        samples_of(scenes), ann_file=str(lab.write_coco(tmp_path / "a.json", scenes))
    )
    for _, annotations, sample in scenes:
        del sample["pred_instances"]["masks"]
        for row in annotations:
            del row["segmentation"]

    path = lab.write_coco(tmp_path / "b.json", scenes)
    actual, _ = lab.evaluate(samples_of(scenes), ann_file=str(path), metric="bbox")

    assert actual == {name: value for name, value in both.items() if "segm" not in name}


def test_instance_of_the_size_where_two_ranges_meet_counts_in_both(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """As in pycocotools; a size without instances has no value, and no -1."""
    image = {"id": 1, "file_name": "a.png", "height": 64, "width": 64}
    box = np.array([[0.0, 0, 32, 32]])
    truth = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 32, 32], "area": 1024.0, "iscrowd": 0}
    path = lab.write_coco(tmp_path / "val.json", [(image, [truth], {})])
    sample = lab.sample_of(image, box, [0], [0.9])

    actual, _ = lab.evaluate([sample], ann_file=str(path), metric="bbox")

    names = [name for name in actual if "mAP" in name]
    assert names == [f"coco/bbox_mAP{end}" for end in ("", "_50", "_75", "_s", "_m")]
    assert {actual[name] for name in names} == {1.0}


def test_values_without_any_instance_are_nan_and_left_out(
    lab: SimpleNamespace, tmp_path: Path
) -> None:
    """Names that save_best may ask for are there; what was found all the same is counted."""
    image = {"id": 1, "file_name": "a.png", "height": 64, "width": 64}
    path = lab.write_coco(tmp_path / "val.json", [(image, [], {})])
    sample = lab.sample_of(image, np.array([[0.0, 0, 9, 9], [5, 5, 9, 9]]), [0, 1], [0.9, 0.4])

    actual, _ = lab.evaluate([sample], ann_file=str(path), metric="segm", max_dets=(1000,))

    assert actual == pytest.approx(
        {
            "coco/segm_mAP": np.nan,
            "coco/segm_mAP_50": np.nan,
            "coco/segm_mAP_75": np.nan,
            "coco/segm_AR@1000": np.nan,
            "coco/count_error": 1.0,
            "coco/count_bias": 1.0,
        },
        nan_ok=True,
    )


def test_values_when_nothing_is_found_are_zero(lab: SimpleNamespace, tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.png", "height": 64, "width": 64}
    truth = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9], "area": 81.0, "iscrowd": 0}
    path = lab.write_coco(tmp_path / "val.json", [(image, [truth], {})])
    sample = lab.sample_of(image, np.empty((0, 4)), [], [])

    actual, metric = lab.evaluate([sample], ann_file=str(path), metric="bbox")

    assert {value for name, value in actual.items() if "bbox" in name} == {0.0}
    assert metric.per_image_values()[0]["values"]["bbox_F1_50"] == 0.0


def test_images_that_the_data_set_lacks_are_warned_of_and_not_missed(
    lab: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The values are those of a file with the images of the data set alone."""
    scenes = lab.make_scenes(9, 6)
    whole = lab.write_coco(tmp_path / "whole.json", scenes)
    part = lab.write_coco(tmp_path / "part.json", scenes[:4])
    expected, _ = lab.evaluate(samples_of(scenes[:4]), ann_file=str(part))
    assert not caplog.records

    actual, _ = lab.evaluate(samples_of(scenes[:4]), ann_file=str(whole))

    assert expected == actual
    assert "evaluated 4 of the 6 images of" in caplog.text


def test_masks_that_are_derived_are_told(
    lab: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenes = lab.make_scenes(0)
    path = lab.write_coco(tmp_path / "val.json", scenes)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"info": {"labels": "derived"}}))

    lab.evaluate(samples_of(scenes), ann_file=str(path))

    assert f"the masks of {path} are derived" in caplog.text


def evaluate_share(rank: int, folder: str, scenes: list[Any], classes: tuple[str, ...]) -> None:
    """Evaluate every second image of five in one of two processes."""
    from zoo_instance_metrics.coco import CocoMetric

    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    metric = CocoMetric(ann_file=f"{folder}/val.json")
    metric.dataset_meta = {"classes": classes}
    samples = samples_of(scenes)
    # As mmengine's sampler does, the last share is filled up with the first image.
    metric.process({}, [*samples, samples[0]][rank::2])
    torch.save((metric.evaluate(5), metric.per_image_values()), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_values_of_two_processes_equal_those_of_one(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scenes = lab.make_scenes(10, 5)
    path = lab.write_coco(tmp_path / "val.json", scenes)
    expected, metric = lab.evaluate(samples_of(scenes), ann_file=str(path))

    torch.multiprocessing.spawn(evaluate_share, (str(tmp_path), scenes, lab.classes), nprocs=2)

    values, images = torch.load(tmp_path / "0.pt", weights_only=False)  # written by this test
    assert expected == values
    assert metric.per_image_values() == images
    assert torch.load(tmp_path / "1.pt", weights_only=False) == (values, [])
