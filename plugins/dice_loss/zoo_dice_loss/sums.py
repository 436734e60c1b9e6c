# SPDX-License-Identifier: Apache-2.0
"""The sums of Dice over pixels, block by block; the backward pass keeps only the logits.

A block of pixels fits into the processor's cache, so intermediate results never reach main memory.
The backward pass computes the probabilities again, which is cheaper than storing them, and writes
the gradient once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .targets import read_dense, read_ids

__all__ = ["SumSettings", "sum_over_pixels"]

# Values per block. On a CPU, one tensor of a block is 2 MiB, or twice that if threads share it.
# On other devices, a kernel launch costs more than memory, and most batches are one block.
_CPU_BLOCK = 2**19
_DEVICE_BLOCK = 2**26

# Softmax of two classes, computed in one channel, the foreground.
_PAIR = "pair"


class SumSettings(NamedTuple):
    """The settings of the sums; see ``soft_dice_loss``.

    Args:
        activation: ``softmax``, ``sigmoid`` or ``none``.
        squared: Whether to square probabilities and targets in the sums over one of them alone.
        ignore_index: Id excluded from every sum, or None.
        check_target: Whether to refuse targets out of range.
    """

    activation: str
    squared: bool
    ignore_index: int | None
    check_target: bool


def sum_over_pixels(
    logits: Tensor, target: Tensor, weight: Tensor | None, settings: SumSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of ``w p t``, ``w p`` and ``w t``, or ``w p^2`` and ``w t^2``.

    Args:
        logits: ``(N, C, *S)`` float, differentiable once.
        target: ``(N, *S)`` integers or ``(N, C, *S)``.
        weight: ``(N, *S)`` float, or None.
        settings: The settings.

    Returns:
        Three ``(N, C)`` tensors of the logits' dtype, float32 for half precisions.

    Raises:
        DataError: A target is out of range.
    """
    has_ids = target.shape != logits.shape
    is_two = has_ids and logits.shape[1] == 2 and settings.activation == "softmax"
    # Only checked ids guarantee that all pixels outside the foreground are background.
    if is_two and settings.check_target and not settings.squared:
        settings = settings._replace(activation=_PAIR)
    overlap, predicted, actual, counted = _Sums.apply(
        logits.flatten(2),
        target.flatten(1 if has_ids else 2),
        None if weight is None else weight.flatten(1),
        settings,
    )
    if settings.activation == _PAIR:
        return _sums_of_both(overlap, predicted, actual, counted)
    return overlap, predicted, actual


def _sums_of_both(
    hits: Tensor, surplus: Tensor, true: Tensor, counted: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of background and foreground from the foreground's.

    Args:
        hits: Sums of ``w (p - t) t``, the missed part, negative.
        surplus: Sums of ``w (p - t)``.
        true: Sums of ``w t``.
        counted: Sums of ``w``.
    """
    background = counted - true
    overlap = (background - (surplus - hits), true + hits)
    predicted = (background - surplus, true + surplus)
    return torch.cat(overlap, 1), torch.cat(predicted, 1), torch.cat((background, true), 1)


class _Sums(torch.autograd.Function):
    """``(N, C)`` sums of ``(N, C, P)`` logits, ``(N[, C], P)`` targets and ``(N, P)`` weights.

    For a pair, ``(N, 1)`` sums of the foreground, over ``p - t`` instead of ``p``: if nearly all
    pixels are foreground, rounding in the sums of ``p`` would exceed the background's sums.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, settings: SumSettings
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ctx.save_for_backward(logits, target, weight)
        channels = 1 if settings.activation == _PAIR else logits.shape[1]
        # Sums over a million pixels overflow float16 and lose every digit in bfloat16.
        sums = logits.new_zeros(4, logits.shape[0], channels, dtype=_sum_dtype(logits))
        ignored = False
        for block in _blocks(logits, target, weight, channels):
            chances, true, weights = _read(block, settings)
            if settings.activation == _PAIR:
                chances -= true
            again = [chances, true] if settings.squared else [None, None]
            sums[0, block.images] += _sum_product(block.spare, chances, true, weights)
            sums[1, block.images] += _sum_product(block.spare, chances, again[0], weights)
            sums[2, block.images] += _sum_product(block.spare, true, again[1], weights)
            sums[3, block.images] += true.shape[2] if weights is None else weights.sum(2)
            ignored |= weights is not None
        # Checked targets need no second check; without ignored pixels, no second search.
        ignore_index = settings.ignore_index if ignored else None
        ctx.settings = settings._replace(check_target=False, ignore_index=ignore_index)
        overlap, predicted, actual, counted = sums
        ctx.mark_non_differentiable(actual, counted)
        return overlap, predicted, actual, counted

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_overlap: Tensor, of_predicted: Tensor, *_of_others: Tensor
    ) -> tuple[Tensor, None, None, None]:
        logits, target, weight = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        of_overlap, of_predicted = of_overlap.unsqueeze(2), of_predicted.unsqueeze(2)
        for block in _blocks(logits, target, weight, of_overlap.shape[1]):
            chances, true, weights = _read(block, ctx.settings)
            of_chances = true.mul_(of_overlap[block.images])
            alone = of_predicted[block.images]
            if ctx.settings.squared:
                alone = torch.mul(chances, 2 * alone, out=block.spare)
            of_chances += alone
            if weights is not None:
                of_chances *= weights
            into = gradient[block.images, :, block.pixels]
            _write_gradient(of_chances, chances, ctx.settings.activation, block.spare, into)
        return gradient, None, None, None


def _sum_dtype(logits: Tensor) -> torch.dtype:
    return torch.promote_types(logits.dtype, torch.float32)


class _Block(NamedTuple):
    """Some pixels of some images, and ``(n, C, p)`` tensors to work in."""

    images: slice
    pixels: slice
    logits: Tensor
    target: Tensor
    weight: Tensor | None
    chances: Tensor
    true: Tensor
    spare: Tensor


def _blocks(
    logits: Tensor, target: Tensor, weight: Tensor | None, channels: int
) -> Iterator[_Block]:
    """Yield blocks of several small images or of a part of a large one, with working channels.

    All blocks share the same memory: mapping fresh pages would cost more than the arithmetic.
    """
    count, _, length = logits.shape
    size = _DEVICE_BLOCK
    if logits.device.type == "cpu":
        size = _CPU_BLOCK * min(torch.get_num_threads(), 2)
    height = max(1, min(count, size // max(1, channels * length)))
    width = max(1, min(length, size // (channels * height)))
    room = logits.new_empty(3, height * channels * width, dtype=_sum_dtype(logits))
    for first in range(0, count, height):
        for left in range(0, length, width):
            images, pixels = slice(first, first + height), slice(left, left + width)
            part = logits[images, :, pixels]
            shape = (len(part), channels, part.shape[2])
            yield _Block(
                images,
                pixels,
                part,
                target[images, ..., pixels],
                None if weight is None else weight[images, pixels],
                *room[:, : math.prod(shape)].view(3, *shape),
            )


def _read(block: _Block, settings: SumSettings) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return ``(n, C, p)`` probabilities and targets, and ``(n, 1, p)`` weights or None."""
    chances = _activate(block.logits, settings.activation, block.chances)
    read = read_dense if block.target.ndim == chances.ndim else read_ids
    keep = read(
        block.target,
        block.true,
        settings.ignore_index,
        first=block.images.start,
        check=settings.check_target,
    )
    weights = None if keep is None else keep.to(chances.dtype)
    if block.weight is not None:
        given = block.weight.to(chances.dtype)
        weights = given if weights is None else weights.mul_(given)
    return chances, block.true, None if weights is None else weights.unsqueeze(1)


def _activate(scores: Tensor, activation: str, into: Tensor) -> Tensor:
    scores = scores.to(into.dtype)
    if activation == "none":
        return scores
    if activation == "sigmoid":
        return torch.sigmoid(scores, out=into)
    if activation == _PAIR:
        # The softmax of two scores is the sigmoid of their difference.
        return torch.sub(scores[:, 1:], scores[:, :1], out=into).sigmoid_()
    # On a CPU, several times faster than softmax(1), which is slow on all axes but the last.
    torch.sub(scores, scores.amax(1, keepdim=True), out=into).exp_()
    return into.mul_(into.sum(1, keepdim=True).reciprocal_())


def _sum_product(spare: Tensor, first: Tensor, *others: Tensor | None) -> Tensor:
    """Return the sums over pixels of the product of all factors that are not None."""
    product = first
    for other in others:
        if other is not None:
            product = torch.mul(product, other, out=spare)
    return product.sum(2)


def _write_gradient(
    of_chances: Tensor, chances: Tensor, activation: str, spare: Tensor, into: Tensor
) -> None:
    """Write the gradient of the logits from that of the probabilities, which it overwrites."""
    if activation == "none":
        into.copy_(of_chances)
    elif activation == "softmax":
        product = torch.mul(of_chances, chances, out=spare)
        of_chances -= product.sum(1, keepdim=True)
        torch.mul(of_chances, chances, out=into)
    else:
        last = into[:, -chances.shape[1] :]
        torch.ops.aten.sigmoid_backward.grad_input(of_chances, chances, grad_input=last)
        if activation == _PAIR:
            torch.neg(into[:, 1:], out=into[:, :1])
