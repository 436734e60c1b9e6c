# SPDX-License-Identifier: Apache-2.0
"""The sums in blocks, their gradient, precisions and memory layouts."""

from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_dice_loss.functional import soft_dice_loss

pytestmark = pytest.mark.mm

SEED = 20240611


def plain_dice(logits: Tensor, target: Tensor, activation: str, *, squared: bool) -> Tensor:
    """Return the loss from whole one-hot tensors, for autograd to differentiate."""
    classes = logits.shape[1]
    keep = (target != 255).unsqueeze(1)
    one_hot = torch.nn.functional.one_hot(target * keep[:, 0], classes).movedim(-1, 1) * keep
    chances = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    axes = (0, *range(2, logits.ndim))
    power = 2 if squared else 1
    total = (chances**power * keep).sum(axes) + one_hot.sum(axes)
    return (1 - (2 * (chances * one_hot).sum(axes) + 1) / (total + 1)).mean()


def make_batch(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(shape, generator=generator, dtype=dtype)
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits, target


def with_gradient(logits: Tensor, target: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    loss = soft_dice_loss(leaf, target, **options)
    loss.backward()
    assert leaf.grad is not None
    return loss.detach(), leaf.grad


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("shape", [(8, 2, 96, 96), (2, 21, 64, 64), (3, 4, 8, 9, 10)])
@pytest.mark.parametrize("ignored", [False, True])
def test_value_and_gradient_in_float32_equal_autograd_of_plain_formula(
    activation: str, squared: bool, shape: tuple[int, ...], ignored: bool
) -> None:
    """Within 1e-6 of the largest gradient; autograd's in float64."""
    logits, target = make_batch(shape)
    if ignored:
        target[:, :3] = 255
    plain = logits.double().requires_grad_()
    expected = plain_dice(plain, target, activation, squared=squared)
    expected.backward()

    loss, gradient = with_gradient(logits, target, activation=activation, squared=squared)

    assert float(expected.detach()) == pytest.approx(float(loss), abs=1e-6)
    largest = float(plain.grad.abs().max())
    torch.testing.assert_close(gradient.double(), plain.grad, atol=1e-6 * largest, rtol=0)


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("certainty", [0.0, 3.0])
def test_gradient_of_a_rare_class_of_two_keeps_its_digits(rare: int, certainty: float) -> None:
    """Ten pixels of 262,144: the other class's sums are four digits larger, as are their errors."""
    logits, target = make_batch((1, 2, 512, 512))
    target = torch.full_like(target, 1 - rare)
    target[0, 0, :10] = rare
    # Sure of the common class nearly everywhere, of the rare one at half of its pixels.
    logits[:, 1 - rare] += certainty
    logits[0, rare, 0, :5] += 2 * certainty
    plain = logits.double().requires_grad_()
    expected = plain_dice(plain, target, "softmax", squared=False)
    expected.backward()

    loss, gradient = with_gradient(logits, target)

    assert float(expected.detach()) == pytest.approx(float(loss), abs=1e-6)
    largest = float(plain.grad.abs().max())
    torch.testing.assert_close(gradient.double(), plain.grad, atol=1e-6 * largest, rtol=0)


@pytest.mark.parametrize("block", [1, 7, 60, 61, 250])
@pytest.mark.parametrize("shape", [(3, 2, 5, 6), (5, 3, 4), (1, 1, 9)])
@pytest.mark.parametrize("per_image", [False, True])
def test_value_and_gradient_in_blocks_of_any_size_stay(
    monkeypatch: pytest.MonkeyPatch, block: int, shape: tuple[int, ...], per_image: bool
) -> None:
    """Blocks of less than a pixel's channels, of part of an image, of several images."""
    logits, target = make_batch(shape, torch.float64)
    options = {"activation": "sigmoid", "squared": True, "per_image": per_image}
    weight = torch.rand(target.shape, generator=torch.Generator().manual_seed(SEED))
    target[0, 0] = 255
    whole = with_gradient(logits, target, pixel_weight=weight, **options)

    monkeypatch.setattr("zoo_dice_loss.sums._CPU_BLOCK", block)

    parts = with_gradient(logits, target, pixel_weight=weight, **options)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradient_in_half_precision_is_that_of_float32_rounded(dtype: torch.dtype) -> None:
    logits, target = make_batch((2, 3, 16, 16))
    half = logits.to(dtype)

    loss, gradient = with_gradient(half, target)

    expected_loss, expected = with_gradient(half.float(), target)
    assert gradient.dtype == dtype
    assert float(expected_loss) == float(loss)
    torch.testing.assert_close(gradient, expected.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_value_under_autocast_equals_that_outside(dtype: torch.dtype) -> None:
    """No operation in it is one that autocast turns into halves, neither forward nor backward."""
    logits, target = make_batch((2, 5, 16, 16))
    expected = with_gradient(logits, target)

    with torch.autocast("cpu", dtype=dtype):
        actual = with_gradient(logits, target)

    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [2, 3])
def test_value_and_gradient_of_any_memory_layout_stay(channels: int) -> None:
    """Channels last, cropped, and transposed logits; targets that are views too."""
    logits, target = make_batch((2, channels, 10, 12))
    expected = with_gradient(logits, target)
    larger = torch.zeros(2, channels, 12, 14)
    larger[:, :, 1:11, 1:13] = logits
    layouts = {
        "channels last": logits.to(memory_format=torch.channels_last),
        "cropped": larger[:, :, 1:11, 1:13],
        "transposed": logits.transpose(2, 3).contiguous().transpose(2, 3),
    }

    for name, moved in layouts.items():
        leaf = moved.detach().requires_grad_()
        loss = soft_dice_loss(leaf, target.transpose(1, 2).contiguous().transpose(1, 2))
        loss.backward()

        assert float(expected[0]) == pytest.approx(float(loss.detach()), abs=1e-6), name
        torch.testing.assert_close(leaf.grad, expected[1], rtol=0, atol=1e-8)


def test_gradient_of_channels_last_logits_is_channels_last() -> None:
    """The layer before would have to copy another."""
    logits, target = make_batch((2, 3, 10, 12))
    leaf = logits.to(memory_format=torch.channels_last).requires_grad_()

    (gradient,) = torch.autograd.grad(soft_dice_loss(leaf, target), leaf)

    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_gradient_taken_twice_from_one_loss_is_the_same() -> None:
    """With retain_graph, as in gradient surgery."""
    logits, target = make_batch((2, 3, 8, 8))
    leaf = logits.requires_grad_()
    loss = soft_dice_loss(leaf, target)

    first = torch.autograd.grad(loss, leaf, retain_graph=True)
    second = torch.autograd.grad(loss, leaf)

    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_gradient_of_gradient_is_refused() -> None:
    logits, target = make_batch((2, 3, 8, 8))
    leaf = logits.requires_grad_()
    (gradient,) = torch.autograd.grad(soft_dice_loss(leaf, target), leaf, create_graph=True)

    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


def test_gradient_after_logits_were_changed_in_place_is_refused() -> None:
    """They are read again in the backward pass."""
    logits, target = make_batch((2, 3, 8, 8))
    scores = logits.requires_grad_() * 1
    loss = soft_dice_loss(scores, target)
    scores += 1

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_inputs_after_both_passes_are_unchanged() -> None:
    """The work is done in place, but not in what was given."""
    logits, target = make_batch((2, 3, 8, 8))
    soft = torch.nn.functional.one_hot(target).movedim(-1, 1).float()
    given = (logits.softmax(1), soft, torch.rand(2, 8, 8))
    copies = tuple(tensor.clone() for tensor in given)

    leaf = given[0].requires_grad_()
    soft_dice_loss(leaf, given[1], pixel_weight=given[2], activation="none").backward()

    for tensor, copy in zip(given, copies, strict=True):
        assert torch.equal(tensor.detach(), copy)


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0, 4)])
def test_value_and_gradient_of_nothing_are_zero(shape: tuple[int, ...]) -> None:
    """A batch without images or pixels, as mask heads without RoIs have."""
    loss, gradient = with_gradient(torch.zeros(shape), torch.zeros(shape[0], *shape[2:]).long())

    assert float(loss) == 0.0
    assert gradient.shape == shape


def test_memory_kept_for_backward_is_that_of_the_inputs() -> None:
    """Chances are made again: nothing of the logits' size is kept but the logits."""
    logits, target = make_batch((2, 3, 8, 8))
    leaf = logits.requires_grad_()
    kept: list[Tensor] = []

    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        soft_dice_loss(leaf, target)

    large = {tensor.untyped_storage().data_ptr() for tensor in kept if tensor.numel() >= 64}
    assert large == {tensor.untyped_storage().data_ptr() for tensor in (leaf, target)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_value_and_gradient_under_compile_stay() -> None:
    logits, target = make_batch((2, 3, 8, 8))
    expected = with_gradient(logits, target)
    leaf = logits.requires_grad_()

    def scale_and_score(scores: Tensor) -> Tensor:
        return soft_dice_loss(scores * 2 / 2, target)

    loss = torch.compile(scale_and_score, backend="aot_eager")(leaf)
    loss.backward()

    torch.testing.assert_close((loss.detach(), leaf.grad), expected)


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
