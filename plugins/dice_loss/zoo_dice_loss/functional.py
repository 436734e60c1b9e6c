# SPDX-License-Identifier: Apache-2.0
"""The formula: one minus soft Dice or Tversky, from weighted sums over pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from .sums import SumSettings, sum_over_pixels

__all__ = ["ACTIVATIONS", "soft_dice_loss"]

ACTIVATIONS = ("softmax", "sigmoid", "none")

# Lower bound of denominators, in pixels: a class absent from both sides scores 0, not 0 / 0.
_LEAST_PX = 1e-6

# Lower bound of the loss under a power: a power below 1 has no finite slope at 0.
_LEAST_LOSS = 1e-6


def soft_dice_loss(
    logits: Tensor,
    target: Tensor,
    *,
    activation: str = "softmax",
    squared: bool = False,
    per_image: bool = False,
    smooth_px: float = 1.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    generalised: bool = False,
    class_weight: Tensor | None = None,
    pixel_weight: Tensor | None = None,
    ignore_index: int | None = 255,
    check_target: bool = True,
) -> Tensor:
    """Return one minus soft Dice, averaged over the classes.

    Sums run over the batch, or over each image and are then averaged (``per_image``). A class
    absent from both sides scores by ``smooth_px`` alone. Pixels equal to ``ignore_index`` are
    excluded from numerator and denominator. With class weights, the result is the mean of weight
    times loss, not divided by the sum of the weights. The loss of an empty batch is 0.

    With ``TP = sum(p t)``, ``FP = sum(p) - TP`` and ``FN = sum(t) - TP`` a class scores
    ``(2 TP + smooth_px) / (2 TP + 2 alpha FP + 2 beta FN + smooth_px)``.

    Args:
        logits: ``(N, C, *S)`` float, scores before the activation; ``S`` has one axis or more.
        target: ``(N, *S)`` integers, ids in ``[0, C)`` or ``ignore_index`` (with one channel:
            0 or 1); or ``(N, C, *S)``, one-hot or soft, where a pixel is ignored if any of its
            channels holds ``ignore_index``, or if ``ignore_index`` is a class, its channel is set.
        activation: ``softmax`` over C, ``sigmoid`` of each channel, or ``none`` if ``logits`` are
            already probabilities.
        squared: Whether probabilities and targets are squared in ``sum(p)`` and ``sum(t)``
            (V-Net); ``alpha`` and ``beta`` must then be equal.
        per_image: Whether to compute Dice per image.
        smooth_px: Added to numerator and denominator, in pixels, ``>= 0``.
        alpha: Weight of false positives, ``>= 0``; values other than 0.5 give the Tversky score.
        beta: Weight of false negatives, ``>= 0``.
        gamma: Power of the loss, ``> 0``; values other than 1 give focal Tversky.
        generalised: Whether the classes share one fraction instead of one each, in which a class
            has the weight ``(pixels of the rarest / its own pixels) ** 2`` (generalised Dice; an
            absent class has weight 1).
        class_weight: ``(C,)`` float, ``>= 0``; with ``generalised``, factors of those weights.
        pixel_weight: ``(N, *S)`` float, ``>= 0``, factor of every pixel in every sum.
        ignore_index: Id excluded from every sum, or None to keep all.
        check_target: Whether to refuse targets out of range; costs one or two device
            synchronisations per call on a GPU. Without the check, such ids belong to no class.

    Returns:
        ``()`` of the logits' dtype, float32 for half precisions, in ``[0, 1]`` up to rounding
        (without class weights); differentiable in ``logits``, once: a second derivative raises.

    Raises:
        DataError: ``target`` holds an id that is neither a class nor ``ignore_index``, or a share
            outside ``[0, 1]``; the message names value and image.
        ValueError: The shapes do not match, softmax has one channel, the activation is unknown,
            or a target or pixel weight requires a gradient.

    Source:
        Milletari et al. 2016, arXiv:1606.04797, with squares in the denominator. Tversky:
        Salehi et al. 2017, arXiv:1706.05721. Focal: Abraham and Khan 2018, arXiv:1810.07842, whose
        power is ``1 / gamma``. Generalised: Sudre et al. 2017, arXiv:1707.03237; our weights are
        theirs up to a constant factor, so that ``smooth_px`` stays in pixels.

    Example:
        >>> import torch
        >>> target = torch.tensor([[[0, 1, 1, 255]]])
        >>> logits = torch.tensor([[[[9.0, -9, -9, 5]], [[-9.0, 9, 9, 0]]]])
        >>> float(soft_dice_loss(logits, target)) < 1e-3
        True
    """
    _check_shapes(logits, target, pixel_weight)
    _check_settings(logits, activation, equal_or_plain=not squared or alpha == beta)
    settings = SumSettings(activation, squared, ignore_index, check_target)
    overlap, predicted, actual = sum_over_pixels(logits, target, pixel_weight, settings)
    if not per_image:
        overlap, predicted, actual = (part.sum(0) for part in (overlap, predicted, actual))
    # Twice alpha FP + beta FN. The loss equals 1 - (2 TP + smooth) / (...), but this form does
    # not lose digits when the loss is small.
    wrong = 2 * (alpha * (predicted - overlap) + beta * (actual - overlap))
    weight = None if class_weight is None else class_weight.to(wrong)
    if generalised:
        volume = _volume_weight(actual) if weight is None else _volume_weight(actual) * weight
        wrong, overlap, weight = (wrong * volume).sum(-1), (overlap * volume).sum(-1), None
    loss = wrong / (wrong + 2 * overlap + smooth_px).clamp_min(_LEAST_PX)
    if gamma != 1:
        loss = loss.clamp_min(_LEAST_LOSS) ** gamma
    if weight is not None:
        loss = loss * weight
    return loss.sum() / max(1, loss.numel())


def _volume_weight(actual: Tensor) -> Tensor:
    """Return ``(least / pixels) ** 2`` of each class; least is the count of the rarest present."""
    least = actual.masked_fill(actual <= 0, torch.inf).amin(-1, keepdim=True)
    return (least / torch.maximum(actual, least)).nan_to_num(nan=1.0).square()


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
    if target.requires_grad or (pixel_weight is not None and pixel_weight.requires_grad):
        message = (
            "cannot compute Dice: the target or the pixel weights require a gradient, expected "
            "none: "
            "only the logits get one; detach() the others."
        )
        raise ValueError(message)


def _check_settings(logits: Tensor, activation: str, *, equal_or_plain: bool) -> None:
    if activation not in ACTIVATIONS:
        message = f"no activation named {activation!r}, expected one of {', '.join(ACTIVATIONS)}."
        raise ValueError(message)
    if activation == "softmax" and logits.shape[1] == 1:
        message = (
            "cannot compute Dice: softmax over one channel is always 1, expected two channels "
            "or more, or activation 'sigmoid' (use_sigmoid=True)."
        )
        raise ValueError(message)
    if not equal_or_plain:
        message = (
            "cannot compute Dice: squared with alpha and beta that differ, expected equal ones: "
            "with squares, false positives may be negative."
        )
        raise ValueError(message)
