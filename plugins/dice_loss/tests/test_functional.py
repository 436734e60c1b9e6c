# SPDX-License-Identifier: Apache-2.0
"""soft_dice_loss against its NumPy twin, MONAI, and its own promises."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_dice_loss.functional import soft_dice_loss

from zoo.errors import DataError

pytestmark = pytest.mark.mm

SEED = 20240611


def numpy_twin(
    logits: np.ndarray,
    one_hot: np.ndarray,
    *,
    activation: str,
    squared: bool,
    per_image: bool,
    smooth_px: float,
    class_weight: np.ndarray,
    pixel_weight: np.ndarray,
) -> float:
    """The formula written out over pixels, with one-hot targets and float64 throughout."""
    if activation == "softmax":
        exp = np.exp(logits - logits.max(1, keepdims=True))
        chances = exp / exp.sum(1, keepdims=True)
    else:
        chances = 1 / (1 + np.exp(-logits))
    power = 2 if squared else 1
    losses = []
    for images in [[i] for i in range(len(logits))] if per_image else [range(len(logits))]:
        for c in range(logits.shape[1]):
            p = np.concatenate([chances[i, c].ravel() for i in images])
            t = np.concatenate([one_hot[i, c].ravel() for i in images])
            w = np.concatenate([pixel_weight[i].ravel() for i in images])
            above = 2 * (w * p * t).sum() + smooth_px
            below = (w * p**power).sum() + (w * t**power).sum() + smooth_px
            losses.append(class_weight[c] * (1 - above / below))
    return float(np.mean(losses))


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Tiny batches of every combination of settings."""
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    shape = draw(st.sampled_from([(4,), (3, 2), (2, 2, 3)]))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    logits = generator.normal(0, 3, (n, c, *shape))
    ids = generator.integers(0, max(c, 2), (n, *shape))
    ids[generator.random(ids.shape) < draw(st.sampled_from([0, 0.3, 1]))] = 255
    return {
        "logits": logits,
        "ids": ids,
        "pixel_weight": generator.random(ids.shape) if draw(st.booleans()) else None,
        "class_weight": generator.random(c) if draw(st.booleans()) else None,
        "activation": "sigmoid" if c == 1 else draw(st.sampled_from(["softmax", "sigmoid"])),
        "squared": draw(st.booleans()),
        "per_image": draw(st.booleans()),
        "smooth_px": draw(st.sampled_from([1e-5, 1.0])),
    }


def as_one_hot(ids: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        return (ids == 1)[:, None].astype(float)
    return np.stack([ids == c for c in range(channels)], 1).astype(float)


def call(case: dict[str, Any], target: np.ndarray | None = None, **changes: Any) -> torch.Tensor:
    """Run the loss in float64 on a case, with some of it changed."""
    case = {**case, **changes}
    names = ("activation", "squared", "per_image", "smooth_px")
    tensors = {
        name: None if case[name] is None else torch.as_tensor(case[name])
        for name in ("class_weight", "pixel_weight")
    }
    target = case["ids"] if target is None else target
    return soft_dice_loss(
        torch.as_tensor(case["logits"]),
        torch.as_tensor(target),
        **{name: case[name] for name in names},
        **tensors,
    )


@settings(max_examples=150, deadline=None)
@given(cases())
def test_value_of_any_setting_equals_numpy_twin(case: dict[str, Any]) -> None:
    """Softmax and sigmoid, weights, ignored pixels, both sums, both denominators."""
    keep = case["ids"] != 255
    weight = keep if case["pixel_weight"] is None else keep * case["pixel_weight"]
    channels = case["logits"].shape[1]
    one_hot = as_one_hot(case["ids"], channels)
    class_weight = np.ones(channels) if case["class_weight"] is None else case["class_weight"]
    names = ("logits", "activation", "squared", "per_image", "smooth_px")

    actual = float(call(case))

    settings_of_twin = {name: case[name] for name in names if name != "logits"}
    expected = numpy_twin(
        case["logits"], one_hot, class_weight=class_weight, pixel_weight=weight, **settings_of_twin
    )
    assert expected == pytest.approx(actual, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_value_without_class_weights_lies_in_unit_interval(case: dict[str, Any]) -> None:
    assert -1e-9 <= float(call(case, class_weight=None)) <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 2**16))
def test_value_when_pixels_or_batch_are_permuted_stays(case: dict[str, Any], seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, c = case["logits"].shape[:2]
    batch = generator.permutation(n)
    pixels = generator.permutation(case["ids"][0].size)

    moved = {
        "logits": case["logits"].reshape(n, c, -1)[batch][:, :, pixels],
        "ids": case["ids"].reshape(n, -1)[batch][:, pixels],
        "pixel_weight": None
        if case["pixel_weight"] is None
        else case["pixel_weight"].reshape(n, -1)[batch][:, pixels],
    }

    assert float(call(case)) == pytest.approx(float(call(case, **moved)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 2**16))
def test_value_when_logits_of_ignored_pixels_change_stays(case: dict[str, Any], seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 50, case["logits"].shape)
    ignored = np.broadcast_to((case["ids"] == 255)[:, None], noise.shape)

    changed = np.where(ignored, noise, case["logits"])

    assert float(call(case)) == float(call(case, logits=changed))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_value_of_one_hot_target_equals_that_of_ids(case: dict[str, Any]) -> None:
    channels = case["logits"].shape[1]
    one_hot = as_one_hot(case["ids"], channels)
    one_hot[np.broadcast_to((case["ids"] == 255)[:, None], one_hot.shape)] = 255

    assert float(call(case)) == pytest.approx(float(call(case, target=one_hot)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_value_of_perfect_logits_is_zero(case: dict[str, Any]) -> None:
    channels = case["logits"].shape[1]
    perfect = 200 * as_one_hot(case["ids"], channels) - 100

    assert float(call(case, logits=perfect)) == pytest.approx(0, abs=1e-9)


MONAI_SETTINGS = list(
    itertools.product(["softmax", "sigmoid"], [False, True], [False, True], [False, True])
)


@pytest.mark.parametrize(("activation", "squared", "per_image", "weighted"), MONAI_SETTINGS)
@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_value_and_gradient_in_shared_settings_equal_monai(
    activation: str, squared: bool, per_image: bool, weighted: bool, channels: int
) -> None:
    """Both smoothing terms of MONAI are our one. 1e-7: MONAI takes norms of float32 targets."""
    monai_losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(2, channels, 5, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, channels, (2, 5, 4), generator=generator)
    class_weight = torch.arange(1.0, channels + 1.0, dtype=torch.float64) if weighted else None
    oracle = monai_losses.DiceLoss(
        to_onehot_y=True,
        softmax=activation == "softmax",
        sigmoid=activation == "sigmoid",
        squared_pred=squared,
        batch=not per_image,
        smooth_nr=0.5,
        smooth_dr=0.5,
        weight=class_weight,
    )
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()

    actual = soft_dice_loss(
        ours,
        target,
        activation=activation,
        squared=squared,
        per_image=per_image,
        smooth_px=0.5,
        class_weight=class_weight,
    )
    expected = oracle(theirs, target[:, None])
    actual.backward()
    expected.backward()

    torch.testing.assert_close(actual, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-7, rtol=0)


GRADIENT_SETTINGS = [
    {},
    {"squared": True, "per_image": True},
    {"activation": "sigmoid"},
    {"activation": "sigmoid", "squared": True},
    {"smooth_px": 0.0},
]


@pytest.mark.parametrize("options", GRADIENT_SETTINGS)
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("channels", [2, 3])
def test_gradient_in_float64_passes_gradcheck(
    options: dict[str, Any], ignored: bool, dense: bool, channels: int
) -> None:
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(2, channels, 3, 2, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    ids = torch.randint(0, channels, (2, 3, 2), generator=generator)
    weight = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64)
    if ignored:
        ids[:, 0] = 255
    one_hot = torch.as_tensor(as_one_hot(ids.numpy(), channels))
    one_hot[:, :, 0] = torch.where(ids[:, None, 0] == 255, 255, one_hot[:, :, 0])
    target = one_hot if dense else ids

    assert torch.autograd.gradcheck(
        lambda x: soft_dice_loss(x, target, pixel_weight=weight, **options), (logits,)
    )


def test_gradient_of_ignored_pixels_is_zero() -> None:
    logits = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(SEED))
    logits.requires_grad_()
    target = torch.tensor([[[0, 255], [2, 255]]])

    soft_dice_loss(logits, target).backward()

    assert (logits.grad[:, :, :, 1] == 0).all()
    assert (logits.grad[:, :, :, 0] != 0).any()


@pytest.mark.parametrize("ids", [[[[0, 0], [0, 0]]], [[[255, 255], [255, 255]]]])
@pytest.mark.parametrize("smooth_px", [0.0, 1.0])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_value_and_gradient_of_empty_classes_are_finite(
    ids: list[Any], smooth_px: float, squared: bool, scale: float, dtype: torch.dtype
) -> None:
    """Classes that no pixel holds, images of nothing but ignored pixels, saturated logits."""
    logits = (scale * torch.tensor([1.0, -1.0, 0.5])).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    logits = logits.to(dtype).requires_grad_()

    loss = soft_dice_loss(logits, torch.tensor(ids), smooth_px=smooth_px, squared=squared)
    loss.backward()

    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_value_in_half_precision_of_a_million_pixels_is_close_to_float64(
    dtype: torch.dtype,
) -> None:
    """A sum of 2**20 pixels is beyond float16 and beyond bfloat16's 8 bits; half inputs only."""
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(1, 2, 1024, 1024, generator=generator).to(dtype)
    target = torch.randint(0, 2, (1, 1024, 1024), generator=generator)

    actual = soft_dice_loss(logits, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = soft_dice_loss(logits, target)

    assert actual.dtype == cast.dtype == torch.float32
    assert float(soft_dice_loss(logits.double(), target)) == pytest.approx(float(actual), abs=1e-6)
    assert float(actual) == float(cast)


def test_value_when_ignore_index_is_a_class_masks_its_pixels() -> None:
    """mmseg and others drop the channel; here its pixels count nowhere, the channel stays."""
    logits = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(SEED))
    ids = torch.tensor([[[0, 1, 2], [2, 1, 0]]])
    as_255 = torch.where(ids == 1, 255, ids)
    one_hot = torch.nn.functional.one_hot(ids).permute(0, 3, 1, 2)

    expected = soft_dice_loss(logits, as_255)

    assert expected == soft_dice_loss(logits, ids, ignore_index=1)
    torch.testing.assert_close(expected, soft_dice_loss(logits, one_hot, ignore_index=1))


def test_value_of_negative_ignore_index_masks_pixels() -> None:
    logits = torch.randn(1, 3, 1, 3, generator=torch.Generator().manual_seed(SEED))

    expected = soft_dice_loss(logits, torch.tensor([[[0, 255, 2]]]))

    assert expected == soft_dice_loss(logits, torch.tensor([[[0, -100, 2]]]), ignore_index=-100)


def test_value_without_check_equals_that_with_check() -> None:
    logits = torch.randn(1, 3, 1, 3, generator=torch.Generator().manual_seed(SEED))
    target = torch.tensor([[[0, 255, 2]]])

    unchecked = soft_dice_loss(logits, target, check_target=False)

    assert soft_dice_loss(logits, target) == unchecked


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_value_of_chances_equals_that_of_logits(activation: str) -> None:
    logits = torch.randn(1, 3, 1, 3, generator=torch.Generator().manual_seed(SEED))
    target = torch.tensor([[[0, 1, 2]]])
    chances = logits.softmax(1) if activation == "softmax" else logits.sigmoid()

    expected = soft_dice_loss(logits, target, activation=activation)

    assert expected == soft_dice_loss(chances, target, activation="none")


@pytest.mark.parametrize(
    ("channels", "ids", "ignore_index", "sentence"),
    [
        (2, [0, 1, 7], 255, "holds 7, expected an id from 0 to 1, or 255 for ignored pixels."),
        (2, [0, 255, 7], 255, "holds 7, expected an id from 0 to 1, or 255 for ignored pixels."),
        (3, [0, -1, 255], 255, "holds -1, expected an id from 0 to 2, or 255 for ignored pixels."),
        (3, [0, 1, 255], None, "holds 255, expected an id from 0 to 2."),
        (1, [0, 1, 2], 255, "holds 2, expected an id from 0 to 1, or 255 for ignored pixels."),
    ],
)
def test_error_when_target_is_out_of_range_names_value(
    channels: int, ids: list[Any], ignore_index: int | None, sentence: str
) -> None:
    with pytest.raises(DataError, match="cannot compute Dice") as caught:
        soft_dice_loss(
            torch.zeros(1, channels, 1, 3),
            torch.tensor([[ids]]),
            activation="sigmoid",
            ignore_index=ignore_index,
        )

    assert sentence in str(caught.value)
    assert "HINT: " in str(caught.value)


@pytest.mark.parametrize(
    ("logits", "target", "options", "sentence"),
    [
        ((2, 3, 4, 4), (2, 1, 4, 4), {}, r"target has shape \(2, 1, 4, 4\) and logits"),
        ((2, 3, 4, 4), (2, 4, 5), {}, r"target has shape \(2, 4, 5\)"),
        ((2, 3), (2,), {}, r"logits \(2, 3\)"),
        ((2, 1, 4, 4), (2, 4, 4), {}, "softmax over one channel is always 1"),
        ((2, 3, 4, 4), (2, 4, 4), {"activation": "tanh"}, "no activation named 'tanh'"),
        ((2, 3, 4, 4), (2, 4, 4), {"pixel_weight": torch.ones(2)}, r"have shape \(2,\)"),
    ],
)
def test_error_when_shapes_or_names_do_not_fit_names_them(
    logits: tuple[int, ...], target: tuple[int, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        soft_dice_loss(torch.zeros(logits), torch.zeros(target, dtype=torch.long), **options)


def test_error_when_ids_are_floats_names_the_dtype() -> None:
    with pytest.raises(ValueError, match=r"target is torch\.float32, expected ids as integers"):
        soft_dice_loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2))
