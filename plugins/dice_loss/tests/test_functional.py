# SPDX-License-Identifier: Apache-2.0
"""soft_dice_loss against its NumPy twin, and its own promises."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_dice_loss.functional import soft_dice_loss

pytestmark = pytest.mark.mm

SEED = 20240611

FORMULA = (
    "activation",
    "squared",
    "per_image",
    "smooth_px",
    "alpha",
    "beta",
    "gamma",
    "generalised",
)


def numpy_twin(
    logits: np.ndarray,
    one_hot: np.ndarray,
    *,
    activation: str,
    squared: bool,
    per_image: bool,
    smooth_px: float,
    alpha: float,
    beta: float,
    gamma: float,
    generalised: bool,
    class_weight: np.ndarray,
    pixel_weight: np.ndarray,
) -> float:
    """The formulas written out over pixels, with one-hot targets and float64 throughout."""
    if activation == "softmax":
        exp = np.exp(logits - logits.max(1, keepdims=True))
        chances = exp / exp.sum(1, keepdims=True)
    else:
        chances = 1 / (1 + np.exp(-logits))
    power = 2 if squared else 1
    losses = []
    for images in [[i] for i in range(len(logits))] if per_image else [range(len(logits))]:
        above, below, true = [], [], []
        for c in range(logits.shape[1]):
            p = np.concatenate([chances[i, c].ravel() for i in images])
            t = np.concatenate([one_hot[i, c].ravel() for i in images])
            w = np.concatenate([pixel_weight[i].ravel() for i in images])
            hit = (w * p * t).sum()
            false = alpha * ((w * p**power).sum() - hit) + beta * ((w * t**power).sum() - hit)
            above.append(2 * hit)
            below.append(2 * hit + 2 * false)
            true.append((w * t).sum())
        if generalised:
            least = min((px for px in true if px > 0), default=1)
            volume = class_weight * [(least / px) ** 2 if px > 0 else 1 for px in true]
            fractions = [
                ((volume * above).sum() + smooth_px) / ((volume * below).sum() + smooth_px)
            ]
            factors = np.ones(1)
        else:
            fractions = [
                (a + smooth_px) / (b + smooth_px) for a, b in zip(above, below, strict=True)
            ]
            factors = class_weight
        power_of = [max(1 - f, 1e-6) ** gamma if gamma != 1 else 1 - f for f in fractions]
        losses.append(np.mean(factors * power_of))
    return float(np.mean(losses))


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Tiny batches of every combination of settings."""
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    shape = draw(st.sampled_from([(4,), (3, 2), (2, 2, 3)]))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    logits = generator.normal(0, 3, (n, c, *shape))
    ids = generator.integers(0, max(c, 2), (n, *shape))
    squared = draw(st.booleans())
    alpha = draw(st.sampled_from([0.5, 0.3]))
    ids[generator.random(ids.shape) < draw(st.sampled_from([0, 0.3, 1]))] = 255
    return {
        "logits": logits,
        "ids": ids,
        "pixel_weight": generator.random(ids.shape) if draw(st.booleans()) else None,
        "class_weight": generator.random(c) if draw(st.booleans()) else None,
        "activation": "sigmoid" if c == 1 else draw(st.sampled_from(["softmax", "sigmoid"])),
        "squared": squared,
        "alpha": alpha,
        "beta": alpha if squared else draw(st.sampled_from([0.5, 0.7])),
        "gamma": draw(st.sampled_from([1.0, 0.75, 2.0])),
        "generalised": draw(st.booleans()),
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
    tensors = {
        name: None if case[name] is None else torch.as_tensor(case[name])
        for name in ("class_weight", "pixel_weight")
    }
    target = case["ids"] if target is None else target
    return soft_dice_loss(
        torch.as_tensor(case["logits"]),
        torch.as_tensor(target),
        **{name: case[name] for name in FORMULA},
        **tensors,
    )


@settings(max_examples=150, deadline=None)
@given(cases())
def test_value_of_any_setting_equals_numpy_twin(case: dict[str, Any]) -> None:
    """Both activations, weights, ignored pixels, both sums, both denominators, every formula."""
    keep = case["ids"] != 255
    weight = keep if case["pixel_weight"] is None else keep * case["pixel_weight"]
    channels = case["logits"].shape[1]
    one_hot = as_one_hot(case["ids"], channels)
    class_weight = np.ones(channels) if case["class_weight"] is None else case["class_weight"]

    actual = float(call(case))

    expected = numpy_twin(
        case["logits"],
        one_hot,
        class_weight=class_weight,
        pixel_weight=weight,
        **{name: case[name] for name in FORMULA},
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

    assert float(call(case, logits=perfect, gamma=1.0)) == pytest.approx(0, abs=1e-9)


GRADIENT_SETTINGS = [
    {},
    {"squared": True, "per_image": True},
    {"activation": "sigmoid"},
    {"activation": "sigmoid", "squared": True},
    {"smooth_px": 0.0},
    {"alpha": 0.3, "beta": 0.7, "gamma": 0.75},
    {"generalised": True, "per_image": True},
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
