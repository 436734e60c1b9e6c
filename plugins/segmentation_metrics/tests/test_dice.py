# SPDX-License-Identifier: Apache-2.0
"""DiceMetric against a NumPy twin and mmseg's IoUMetric."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_segmentation_metrics.dice import DiceMetric

from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm

CLASSES = ("background", "left lung", "heart/aorta")


def make_samples(seed: int, count: int = 4, classes: int = 3) -> list[dict[str, Any]]:
    """Return images of several sizes; some lack classes, some pixels are ignored."""
    generator = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        size = tuple(generator.integers(2, 7, 2))
        limit = generator.integers(1, classes + 1)
        mask = generator.integers(0, limit, size)
        predicted = np.where(generator.random(size) < 0.6, mask, generator.integers(0, limit, size))
        mask[generator.random(size) < 0.2] = 255
        samples.append(make_sample(predicted, mask, f"images/{index}.png"))
    return samples


def make_sample(predicted: Any, mask: Any, file: str = "a.png") -> dict[str, Any]:
    return {
        "img_path": file,
        "pred_sem_seg": {"data": torch.as_tensor(np.asarray(predicted))[None]},
        "gt_sem_seg": {"data": torch.as_tensor(np.asarray(mask))[None]},
    }


def evaluate(samples: list[dict[str, Any]], **options: Any) -> tuple[dict[str, float], DiceMetric]:
    metric = DiceMetric(**options)
    metric.dataset_meta = {"classes": CLASSES}
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples)), metric


def numpy_scores(pairs: list[tuple[np.ndarray, np.ndarray]], class_id: int) -> tuple[float, float]:
    """Dice and IoU of one class by sets of pixels; NaN where both sets are empty."""
    kept = [(p[m != 255] == class_id, m[m != 255] == class_id) for p, m in pairs]
    p, m = (np.concatenate([pair[i] for pair in kept]) for i in (0, 1))
    if not (p | m).any():
        return float("nan"), float("nan")
    return 2 * (p & m).sum() / (p.sum() + m.sum()), (p & m).sum() / (p | m).sum()


def as_pairs(samples: list[dict[str, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (s["pred_sem_seg"]["data"][0].numpy(), s["gt_sem_seg"]["data"][0].numpy()) for s in samples
    ]


def nan_mean(values: list[float]) -> float:
    present = [value for value in values if not np.isnan(value)]
    return sum(present) / len(present) if present else float("nan")


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**16))
def test_values_of_any_images_equal_numpy_twin(seed: int) -> None:
    samples = make_samples(seed)
    pairs = as_pairs(samples)
    keys = ["background", "left_lung", "heart_aorta"]

    actual, metric = evaluate(samples)

    expected: dict[str, float] = {}
    for which, score in enumerate(("dice", "iou")):
        single = [[numpy_scores([pair], c)[which] for pair in pairs] for c in range(3)]
        pooled = [numpy_scores(pairs, c)[which] for c in range(3)]
        expected |= {f"{score}_{k}": nan_mean(v) for k, v in zip(keys, single, strict=True)}
        expected |= {f"pooled_{score}_{k}": v for k, v in zip(keys, pooled, strict=True)}
        expected[f"mean_{score}"] = nan_mean([expected[f"{score}_{k}"] for k in keys])
        expected[f"pooled_mean_{score}"] = nan_mean(pooled)
        for row, values in enumerate(metric.per_image_values()):
            of_image = {k: single[c][row] for c, k in enumerate(keys)}
            assert values["file"] == f"images/{row}.png"
            assert {
                f"{score}_{k}": pytest.approx(v) for k, v in of_image.items() if not np.isnan(v)
            } == {k: v for k, v in values["values"].items() if k.startswith(score)}
    assert expected == pytest.approx(actual, nan_ok=True)


def test_pooled_values_equal_mmseg_iou_metric() -> None:
    """mmseg gives percent, rounded to two digits."""
    from mmseg.evaluation import IoUMetric

    import zoo  # noqa: F401  (the substitute for mmcv._ext, before mmseg)

    samples = make_samples(5, count=8)
    oracle = IoUMetric(iou_metrics=["mIoU", "mDice"])
    oracle.dataset_meta = {"classes": CLASSES}
    oracle.process({}, samples)

    expected = oracle.evaluate(len(samples))
    actual, _ = evaluate(samples)

    assert expected["mDice"] == pytest.approx(100 * actual["pooled_mean_dice"], abs=0.006)
    assert expected["mIoU"] == pytest.approx(100 * actual["pooled_mean_iou"], abs=0.006)


def test_values_of_absent_class_are_left_out_or_zero() -> None:
    """Both sides lack class 1: no value. One side lacks it: 0. No image has class 2: NaN."""
    samples = [
        make_sample([[0, 0]], [[0, 0]], "neither.png"),
        make_sample([[0, 1]], [[0, 0]], "predicted.png"),
        make_sample([[0, 1]], [[0, 1]], "both.png"),
    ]

    actual, metric = evaluate(samples)

    assert actual["dice_left_lung"] == 0.5
    assert np.isnan(actual["dice_heart_aorta"])
    assert actual["mean_dice"] == pytest.approx((actual["dice_background"] + 0.5) / 2)
    assert metric.per_image_values()[0]["values"] == {"dice_background": 1.0, "iou_background": 1.0}
    assert metric.per_image_values()[1]["values"]["dice_left_lung"] == 0.0


def test_values_of_ids_as_floats_equal_those_of_integers() -> None:
    """mmseg's heads with one channel give floats."""
    ids, mask = np.array([[0, 1], [1, 0]]), np.array([[0, 1], [0, 255]])

    expected, _ = evaluate([make_sample(ids, mask)])
    actual, _ = evaluate([make_sample(ids.astype(np.float32), mask)])

    np.testing.assert_equal(actual, expected)


def test_values_of_chosen_classes_are_theirs_alone() -> None:
    samples = make_samples(3)
    everything, _ = evaluate(samples)

    actual, metric = evaluate(samples, classes=["left lung"])

    assert actual["dice_left_lung"] == everything["dice_left_lung"] == actual["mean_dice"]
    assert not [name for name in actual if "background" in name]
    assert all("dice_background" not in image["values"] for image in metric.per_image_values())


def test_values_when_all_is_ignored_are_nan() -> None:
    actual, metric = evaluate([make_sample([[0, 1]], [[255, 255]])])

    assert all(np.isnan(value) for value in actual.values())
    assert metric.per_image_values() == [{"file": "a.png", "values": {}}]


def test_per_image_values_after_second_evaluate_are_of_the_second() -> None:
    _, metric = evaluate(make_samples(1))
    metric.process({}, [make_sample([[1]], [[1]], "again.png")])

    metric.evaluate(1)

    assert [image["file"] for image in metric.per_image_values()] == ["again.png"]


def test_values_with_prefix_carry_it() -> None:
    actual, _ = evaluate(make_samples(1), prefix="val")

    assert all(name.startswith("val/") for name in actual)


@pytest.mark.parametrize(
    ("predicted", "mask", "sentence"),
    [
        ([[0, 3]], [[0, 1]], "its prediction holds 3, expected an id from 0 to 2"),
        ([[0, 1]], [[0, 9]], "its mask holds 9, expected an id from 0 to 2"),
        ([[0, 1]], [[-1, 1]], "its mask holds -1, expected an id from 0 to 2"),
        ([[0, -2]], [[0, 1]], "its prediction holds -2, expected an id from 0 to 2"),
        ([[0, 1]], [[0]], r"prediction of \(1, 2\) pixels with a mask of \(1, 1\)"),
    ],
)
def test_error_when_image_does_not_fit_names_file(predicted: Any, mask: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        evaluate([make_sample(predicted, mask, "images/bad.png")])

    assert "where: images/bad.png\nHINT: " in str(caught.value)


def test_error_when_class_is_unknown_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no class named 'lung', expected some of 'background'"):
        evaluate(make_samples(1), classes=["lung"])


def test_error_when_two_classes_get_one_name_tells() -> None:
    metric = DiceMetric()
    metric.dataset_meta = {"classes": ["left lung", "left_lung"]}
    metric.process({}, [make_sample([[0]], [[0]])])

    with pytest.raises(ConfigError, match="two classes have the same name"):
        metric.evaluate(1)


def test_error_when_data_set_names_no_classes_tells() -> None:
    with pytest.raises(ConfigError, match="the data set names no classes"):
        DiceMetric().process({}, [make_sample([[0]], [[0]])])


def evaluate_share(rank: int, folder: str) -> None:
    """Evaluate every second image of five in one of two processes."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    metric = DiceMetric()
    metric.dataset_meta = {"classes": CLASSES}
    samples = make_samples(7, count=5)
    # As mmengine's sampler does, the last share is filled up with the first image.
    metric.process({}, [*samples, samples[0]][rank::2])
    torch.save((metric.evaluate(5), metric.per_image_values()), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_values_of_two_processes_equal_those_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected, metric = evaluate(make_samples(7, count=5))

    torch.multiprocessing.spawn(evaluate_share, (str(tmp_path),), nprocs=2)

    values, images = torch.load(tmp_path / "0.pt", weights_only=False)  # written by this test
    assert expected == pytest.approx(values, nan_ok=True)
    assert metric.per_image_values() == images
    assert torch.load(tmp_path / "1.pt", weights_only=False)[0] == pytest.approx(
        values, nan_ok=True
    )
