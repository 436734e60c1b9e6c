# SPDX-License-Identifier: Apache-2.0
"""The formula: one minus soft Dice, with every pixel's weight applied before any sum."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.errors import DataError

__all__ = ["ACTIVATIONS", "soft_dice_loss"]

ACTIVATIONS = ("softmax", "sigmoid", "none")

# Smaller denominators count as this many pixels: a class that nobody sees scores 0, not 0 / 0.
_LEAST_PX = 1e-6


def soft_dice_loss(
    logits: Tensor,
    target: Tensor,
    *,
    activation: str = "softmax",
    squared: bool = False,
    per_image: bool = False,
    smooth_px: float = 1.0,
    class_weight: Tensor | None = None,
    pixel_weight: Tensor | None = None,
    ignore_index: int | None = 255,
    check_target: bool = True,
) -> Tensor:
    """Return one minus soft Dice, averaged over the classes.

    Sums run over the batch, or over each image and then averaged (``per_image``). A class absent
    from both sides scores by ``smooth_px`` alone; pixels equal to ``ignore_index`` count nowhere,
    neither above nor below the fraction. With class weights the mean is that of weight times loss,
    not divided by the sum of the weights.

    Args:
        logits: ``(N, C, *S)`` float, scores before the activation; ``S`` has one axis or more.
        target: ``(N, *S)`` integers, ids in ``[0, C)`` or ``ignore_index`` (with one channel:
            0 or 1); or ``(N, C, *S)``, one-hot or soft, where a pixel is ignored if any of its
            channels holds ``ignore_index``, or if ``ignore_index`` is a class, its channel is set.
        activation: ``softmax`` over C, ``sigmoid`` of each channel, or ``none`` where ``logits``
            are probabilities already.
        squared: Whether probabilities and targets are squared in the denominator (V-Net).
        per_image: Whether each image has a Dice of its own.
        smooth_px: Added above and below the fraction, in pixels, ``>= 0``.
        class_weight: ``(C,)`` float, ``>= 0``.
        pixel_weight: ``(N, *S)`` float, ``>= 0``, multiplies every pixel's part in every sum.
        ignore_index: Id left out of every sum, or None to keep all.
        check_target: Whether to refuse ids out of range, at the price of one or two device
            synchronisations a call on a GPU. Unchecked, such ids are undefined behaviour.

    Returns:
        ``()`` of the logits' dtype, float32 for half precisions, in ``[0, 1]`` up to rounding
        (without class weights); differentiable in ``logits``, once.

    Raises:
        DataError: ``target`` holds an id that is neither a class nor ``ignore_index``.
        ValueError: Shapes that do not fit, softmax over one channel, an unknown activation.

    Source:
        Milletari et al. 2016, arXiv:1606.04797; there with squares in the denominator.

    Example:
        >>> import torch
        >>> target = torch.tensor([[[0, 1, 1, 255]]])
        >>> logits = torch.tensor([[[[9.0, -9, -9, 5]], [[-9.0, 9, 9, 0]]]])
        >>> float(soft_dice_loss(logits, target)) < 1e-3
        True
    """
    _check_shapes(logits, target, pixel_weight)
    # Sums over a million pixels overflow float16 and lose every digit in bfloat16.
    scores = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    channels = scores.shape[1]
    is_dense = target.shape == scores.shape
    if is_dense:
        target, keep = _split_dense(target, ignore_index)
    else:
        target, keep = _split_ids(target, max(channels, 2), ignore_index, check_target)
    weight = _join_weights(keep, pixel_weight, scores.dtype)
    if is_dense or channels == 1:
        chances = _activate(scores, activation)
        overlap, total = _sums_of_dense(chances, target.view_as(chances), weight, squared)
    elif channels == 2 and activation == "softmax":
        overlap, total = _sums_of_two(scores, target, weight, squared)
    else:
        overlap, total = _sums_of_ids(_activate(scores, activation), target, weight, squared)
    if not per_image:
        overlap, total = overlap.sum(0), total.sum(0)
    # The same number as 1 - (2 * overlap + smooth) / (total + smooth).
    loss = (total - 2 * overlap) / (total + smooth_px).clamp_min(_LEAST_PX)
    if class_weight is not None:
        loss = loss * class_weight.to(loss)
    return loss.mean()


def _check_shapes(logits: Tensor, target: Tensor, pixel_weight: Tensor | None) -> None:
    ids_shape = (logits.shape[0], *logits.shape[2:])
    found, logits_shape = tuple(target.shape), tuple(logits.shape)
    if logits.ndim < 3 or found not in (ids_shape, logits_shape):
        message = (
            f"cannot compute Dice: target has shape {found} and logits {logits_shape}, "
            "expected (N, *S) or (N, C, *S) for logits of (N, C, *S)."
        )
        raise ValueError(message)
    if found == ids_shape and target.is_floating_point():
        message = f"cannot compute Dice: target is {target.dtype}, expected ids as integers."
        raise ValueError(message)
    if pixel_weight is not None and tuple(pixel_weight.shape) != ids_shape:
        message = (
            f"cannot compute Dice: pixel weights have shape {tuple(pixel_weight.shape)}, "
            f"expected {ids_shape}."
        )
        raise ValueError(message)


def _activate(scores: Tensor, activation: str) -> Tensor:
    if activation == "sigmoid":
        return scores.sigmoid()
    if activation == "none":
        return scores
    if activation != "softmax":
        message = f"no activation named {activation!r}, expected one of {', '.join(ACTIVATIONS)}."
        raise ValueError(message)
    if scores.shape[1] == 1:
        message = (
            "cannot compute Dice: softmax over one channel is always 1, expected two channels "
            "or more, or activation 'sigmoid' (use_sigmoid=True)."
        )
        raise ValueError(message)
    return scores.softmax(1)


def _split_dense(target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    if ignore_index is None:
        return target, None
    classes = target.shape[1]
    if classes > 1 and 0 <= ignore_index < classes:
        return target, target[:, ignore_index] == 0
    keep = (target != ignore_index).all(1)
    return target.masked_fill(~keep.unsqueeze(1), 0), keep


def _split_ids(
    target: Tensor, classes: int, ignore_index: int | None, check: bool
) -> tuple[Tensor, Tensor | None]:
    ids = target.long()
    if check and ids.numel():
        low, high = _range(ids)
        ignores = ignore_index is not None and low <= ignore_index <= high
        if low >= 0 and high < classes and not ignores:
            return ids, None
    keep = None if ignore_index is None else ids != ignore_index
    kept = ids if keep is None else ids * keep
    if check and kept.numel():
        low, high = _range(kept)
        if low < 0 or high >= classes:
            raise _unknown_id(low if low < 0 else high, classes, ignore_index)
    return kept, keep


def _range(ids: Tensor) -> list[int]:
    return torch.stack(ids.aminmax()).tolist()


def _unknown_id(found: int, classes: int, ignore_index: int | None) -> DataError:
    message = (
        f"cannot compute Dice: a target holds {found}, expected an id from 0 to {classes - 1}"
        f"{'' if ignore_index is None else f', or {ignore_index} for ignored pixels'}."
    )
    return DataError(
        message, hint="make the head's num_classes and ignore_index fit the ids in the masks."
    )


def _join_weights(
    keep: Tensor | None, pixel_weight: Tensor | None, dtype: torch.dtype
) -> Tensor | None:
    if keep is None or pixel_weight is None:
        joined = pixel_weight if keep is None else keep
    else:
        joined = pixel_weight * keep
    return None if joined is None else joined.to(dtype)


def _sums_of_dense(
    chances: Tensor, target: Tensor, weight: Tensor | None, squared: bool
) -> tuple[Tensor, Tensor]:
    """Return ``(N, C)`` overlap, and predicted plus true pixels, of ``(N, C, *S)`` targets."""
    target = target.to(chances.dtype)
    weighted = target if weight is None else target * weight.unsqueeze(1)
    powers = chances * chances if squared else chances
    predicted = powers if weight is None else powers * weight.unsqueeze(1)
    actual = target * weighted if squared else weighted
    overlap = (chances * weighted).flatten(2).sum(2)
    return overlap, predicted.flatten(2).sum(2) + actual.flatten(2).sum(2)


def _sums_of_two(
    scores: Tensor, ids: Tensor, weight: Tensor | None, squared: bool
) -> tuple[Tensor, Tensor]:
    """Return the sums of two classes, whose softmax is one sigmoid: half the work."""
    background, foreground = scores.unbind(1)
    chance = (foreground - background).sigmoid().unsqueeze(1)
    true = ids.to(chance.dtype).unsqueeze(1)
    sides = (
        _sums_of_dense(1 - chance, 1 - true, weight, squared),
        _sums_of_dense(chance, true, weight, squared),
    )
    overlap, total = zip(*sides, strict=True)
    return torch.cat(overlap, 1), torch.cat(total, 1)


def _sums_of_ids(
    chances: Tensor, ids: Tensor, weight: Tensor | None, squared: bool
) -> tuple[Tensor, Tensor]:
    """Return the sums of ``(N, *S)`` ids: no one-hot tensor is made."""
    ones = torch.ones_like(ids, dtype=chances.dtype) if weight is None else weight
    overlap, predicted = _ClassSums.apply(chances, ids, weight, squared)
    return overlap, predicted + _sum_by_class(ones, ids, chances.shape[1])


class _ClassSums(torch.autograd.Function):
    """``(N, C)`` sums of each class's chance: over its own pixels, and over all of them.

    The gradient is written in one go: autograd would write one tensor for each of the two sums
    and a third for both.
    """

    @staticmethod
    def forward(
        ctx: Any, chances: Tensor, ids: Tensor, weight: Tensor | None, squared: bool
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(chances if squared else None, ids, weight)
        ctx.shape = chances.shape
        own = chances.gather(1, ids.unsqueeze(1)).squeeze(1)
        overlap = _sum_by_class(own if weight is None else own * weight, ids, chances.shape[1])
        powers = chances * chances if squared else chances
        predicted = powers if weight is None else powers * weight.unsqueeze(1)
        return overlap, predicted.flatten(2).sum(2)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_overlap: Tensor, of_predicted: Tensor
    ) -> tuple[Tensor, None, None, None]:
        chances, ids, weight = ctx.saved_tensors
        spread = of_predicted.reshape(*ctx.shape[:2], *(1 for _ in ids.shape[1:]))
        gradient = (
            spread.expand(ctx.shape).contiguous() if chances is None else 2 * chances * spread
        )
        own = of_overlap.gather(1, ids.flatten(1)).view_as(ids)
        gradient.scatter_add_(1, ids.unsqueeze(1), own.unsqueeze(1))
        if weight is not None:
            gradient *= weight.unsqueeze(1)
        return gradient, None, None, None


def _sum_by_class(values: Tensor, ids: Tensor, classes: int) -> Tensor:
    # One bin for each class and column, not for each class alone: far fewer additions meet in one
    # place, which a GPU would queue up, and rounding does not grow with the number of pixels.
    count, width = ids.shape[0], ids.shape[-1]
    rows = (count, math.prod(ids.shape[1:-1]), width)
    bins = values.new_zeros(count, classes, width)
    return bins.scatter_add(1, ids.reshape(rows), values.reshape(rows)).sum(-1)
