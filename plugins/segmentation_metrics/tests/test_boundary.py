# SPDX-License-Identifier: Apache-2.0
"""BoundaryMetric against distances taken pair by pair, SciPy, and MONAI's own two functions."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ConfigError, DataError

pytest.importorskip("monai")

from zoo_segmentation_metrics.boundary import BoundaryMetric

pytestmark = pytest.mark.mm

CLASSES = ("background", "left lung")
SPACINGS = [(1.0, 1.0), (0.5, 0.25), (2.0, 0.7)]


def make_sample(predicted: Any, mask: Any, file: str = "a.png", **meta: Any) -> dict[str, Any]:
    return {
        "img_path": file,
        "pred_sem_seg": {"data": torch.as_tensor(np.asarray(predicted))[None]},
        "gt_sem_seg": {"data": torch.as_tensor(np.asarray(mask))[None]},
        **meta,
    }


def evaluate(
    samples: list[dict[str, Any]], **options: Any
) -> tuple[dict[str, float], BoundaryMetric]:
    metric = BoundaryMetric(**options)
    metric.dataset_meta = {"classes": CLASSES}
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples)), metric


def border(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the pixels with one of four neighbours outside of the object or of the image."""
    outside = ~np.pad(mask, 1)
    return [
        (y, x)
        for y, x in np.argwhere(mask).tolist()
        if outside[y, x + 1] or outside[y + 2, x + 1] or outside[y + 1, x] or outside[y + 1, x + 2]
    ]


def twin(
    predicted: np.ndarray, actual: np.ndarray, spacing: tuple[float, float], tolerance: float
) -> tuple[float, float]:
    """Hausdorff 95 and surface Dice by the distance of each pair of border pixels."""
    sides = [border(predicted), border(actual)]
    if not sides[0] or not sides[1]:
        lengths = np.array(actual.shape) * spacing
        return (float(np.hypot(*lengths)), 0.0) if sides[0] or sides[1] else (np.nan, np.nan)
    nearest = []
    for mine, others in (sides, sides[::-1]):
        away = [
            [((y - v) * spacing[0]) ** 2 + ((x - u) * spacing[1]) ** 2 for v, u in others]
            for y, x in mine
        ]
        nearest.append(np.sqrt(np.min(away, axis=1)))
    within = sum((side <= tolerance + 1e-6).sum() for side in nearest)
    return max(np.percentile(side, 95) for side in nearest), within / sum(map(len, nearest))


def discs(size: int, *places: tuple[int, int, int]) -> np.ndarray:
    y, x = np.ogrid[:size, :size]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= r**2 for cy, cx, r in places], axis=0)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(SPACINGS), st.sampled_from([0.0, 0.5, 1.0, 2.1]))
def test_values_of_any_image_equal_those_of_all_pairs(
    seed: int, spacing: tuple[float, float], tolerance: float
) -> None:
    """Sides without the class and ignored pixels too."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 9, 2)
    share = rng.choice([0.05, 0.4, 0.9])
    predicted, mask = (np.asarray(rng.random(size) < share).astype(np.int64) for _ in range(2))
    mask[rng.random(size) < 0.1] = 255

    values, metric = evaluate(
        [make_sample(predicted, mask, spacing_mm=spacing)],
        tolerance_mm=tolerance,
        classes=["left lung"],
    )

    sides = ((predicted == 1) & (mask != 255), mask == 1)
    hd95, nsd = twin(*sides, spacing, tolerance)
    expected = {"hd95_mm_left_lung": hd95, f"nsd_{tolerance:g}mm_left_lung": nsd}
    expected |= {"mean_hd95_mm": hd95, f"mean_nsd_{tolerance:g}mm": nsd}
    assert values == pytest.approx(expected, rel=1e-5, nan_ok=True)
    of_image = metric.per_image_values()[0]["values"]
    assert of_image == ({} if np.isnan(hd95) else {k: values[k] for k in list(expected)[:2]})


@pytest.mark.parametrize("spacing", SPACINGS)
def test_values_of_discs_equal_scipys_distance_transform(spacing: tuple[float, float]) -> None:
    """Two objects, one of them missed in part; another library and another algorithm."""
    from scipy import ndimage

    mask = discs(96, (30, 30, 18), (60, 70, 20))
    predicted = discs(96, (32, 27, 17), (60, 70, 12))
    edges = [side & ~ndimage.binary_erosion(side) for side in (predicted, mask)]
    there = ndimage.distance_transform_edt(~edges[1], sampling=spacing)[edges[0]]
    back = ndimage.distance_transform_edt(~edges[0], sampling=spacing)[edges[1]]

    sample = make_sample(predicted.astype(int), mask.astype(int), spacing_mm=spacing)
    values, _ = evaluate([sample], tolerance_mm=1.5)

    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert values["hd95_mm_left_lung"] == pytest.approx(expected, rel=1e-6)
    within = (there <= 1.5).sum() + (back <= 1.5).sum()
    assert values["nsd_1.5mm_left_lung"] == pytest.approx(within / (len(there) + len(back)))


def test_values_equal_monais_own_functions() -> None:
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    mask, predicted = discs(64, (30, 30, 18)), discs(64, (33, 29, 17))
    sides = [torch.as_tensor(side)[None, None].float() for side in (predicted, mask)]

    values, _ = evaluate([make_sample(predicted.astype(int), mask.astype(int))], unit="px")

    hd95 = compute_hausdorff_distance(*sides, include_background=True, percentile=95)
    nsd = compute_surface_dice(*sides, [2.0], include_background=True)
    assert values["hd95_px_left_lung"] == pytest.approx(hd95.item(), rel=1e-6)
    assert values["nsd_2px_left_lung"] == pytest.approx(nsd.item(), rel=1e-6)


def test_values_of_absent_class_are_the_worst_or_left_out() -> None:
    """Neither side: no value. One side: the diagonal and 0. No image at all: NaN."""
    samples = [
        make_sample([[0, 0]], [[0, 0]], "neither.png"),
        make_sample([[0] * 4] * 3, [[0, 1, 0, 0]] + [[0] * 4] * 2, "missed.png"),
        make_sample([[0, 1]], [[0, 1]], "both.png"),
    ]

    values, metric = evaluate(samples, classes=["left lung"])

    images = [image["values"] for image in metric.per_image_values()]
    assert images[0] == {}
    assert images[1] == {"hd95_px_left_lung": 5.0, "nsd_2px_left_lung": 0.0}
    assert images[2] == {"hd95_px_left_lung": 0.0, "nsd_2px_left_lung": 1.0}
    assert values["hd95_px_left_lung"] == values["mean_hd95_px"] == 2.5
    assert values["nsd_2px_left_lung"] == 0.5
    assert all(
        np.isnan(value) for value in evaluate(samples[:1], classes=["left lung"])[0].values()
    )


def test_values_of_ignored_pixels_never_matter() -> None:
    """Whatever is predicted there."""
    mask = discs(32, (15, 15, 8)).astype(int)
    mask[:, 14:18] = 255
    predicted = discs(32, (16, 15, 8)).astype(int)
    other = np.where(mask == 255, 1 - predicted, predicted)

    assert evaluate([make_sample(predicted, mask)])[0] == evaluate([make_sample(other, mask)])[0]


def test_values_of_images_with_and_without_spacing_are_named_apart() -> None:
    """``auto`` measures each image in the unit that it can; ``px`` all of them in pixels."""
    mask, predicted = np.eye(9, dtype=int), np.eye(9, k=1, dtype=int)
    samples = [
        make_sample(predicted, mask, "px.png"),
        make_sample(predicted, mask, "mm.png", spacing_mm=np.array([0.5, 0.5])),
    ]

    auto, metric = evaluate(samples, classes=["left lung"])
    pixels, _ = evaluate(samples, unit="px", classes=["left lung"])

    assert auto["hd95_mm_left_lung"] == pytest.approx(0.5 * auto["hd95_px_left_lung"])
    assert list(metric.per_image_values()[1]["values"]) == [
        "hd95_mm_left_lung",
        "nsd_2mm_left_lung",
    ]
    assert not [name for name in pixels if "mm" in name]
    assert pixels["hd95_px_left_lung"] == auto["hd95_px_left_lung"]


def test_tolerance_of_so_many_rows_holds_for_distances_that_binary_cannot_write() -> None:
    """Three rows of 0.1 mm are within 0.3 mm."""
    mask, predicted = np.zeros((9, 9), int), np.zeros((9, 9), int)
    mask[2, 2], predicted[5, 2] = 1, 1

    sample = make_sample(predicted, mask, spacing_mm=(0.1, 0.1))
    values, _ = evaluate([sample], tolerance_mm=0.3, classes=["left lung"])

    assert values["nsd_0.3mm_left_lung"] == 1.0


def test_values_keep_the_prefix_and_their_order() -> None:
    values, _ = evaluate([make_sample([[0, 1]], [[0, 1]])], prefix="val")

    assert list(values) == [
        "val/hd95_px_background",
        "val/hd95_px_left_lung",
        "val/mean_hd95_px",
        "val/nsd_2px_background",
        "val/nsd_2px_left_lung",
        "val/mean_nsd_2px",
    ]


@pytest.mark.parametrize(
    ("predicted", "mask", "sentence"),
    [
        ([[0, 2]], [[0, 1]], "its prediction holds 2, expected an id from 0 to 1"),
        ([[0, 1]], [[0, 9]], "its mask holds 9, expected an id from 0 to 1"),
        ([[0, 1]], [[0, -1]], "its mask holds -1, expected an id from 0 to 1"),
    ],
)
def test_error_when_an_id_is_no_class_names_it_and_the_image(
    predicted: Any, mask: Any, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        evaluate([make_sample(predicted, mask, "images/bad.png")])

    assert "where: images/bad.png" in str(caught.value)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, float("nan")), (0.5,), (-1, 1)])
def test_error_when_a_spacing_is_none_names_it_and_the_image(spacing: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"spacing_mm is \(.*\), expected two numbers") as caught:
        evaluate([make_sample([[0, 1]], [[0, 1]], "images/x.png", spacing_mm=spacing)])

    assert "where: images/x.png" in str(caught.value)


def test_error_when_mm_are_asked_of_an_image_without_spacing_names_it() -> None:
    with pytest.raises(DataError, match="the image states no pixel spacing") as caught:
        evaluate([make_sample([[0]], [[0]], "images/x.png")], unit="mm")

    assert "where: images/x.png\nHINT: add 'spacing_mm' to the meta_keys" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"unit": "inch"}, "cannot measure in 'inch': expected one of auto, px, mm"),
        ({"tolerance_px": -1}, "cannot use a tolerance of -1 px: expected 0 or more"),
        ({"tolerance_mm": float("nan")}, "cannot use a tolerance of nan mm"),
        ({"classes": ["lung"]}, "no class named 'lung', expected some of 'background'"),
    ],
)
def test_error_when_an_option_does_not_fit_says_what_does(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        evaluate([make_sample([[0]], [[0]])], **options)


def test_error_when_monai_is_missing_has_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "monai"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "monai", None)

    with pytest.raises(ConfigError) as caught:
        BoundaryMetric()

    assert caught.value.hint == 'pip install "monai>=1.4,<2".'
