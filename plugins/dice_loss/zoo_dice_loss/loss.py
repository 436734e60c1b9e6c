# SPDX-License-Identifier: Apache-2.0
"""The loss that configs build with ``dict(type='zoo.dice_loss.DiceLoss')``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ConfigError, DataError

from .functional import soft_dice_loss

__all__ = ["DiceLoss"]


class DiceLoss(nn.Module):
    """One minus soft Dice, for the heads of mmseg and the mask heads of mmdet.

    ``soft_dice_loss`` defines the formula and its conventions. The head passes the id of ignored
    pixels (``ignore_index`` of its config, 255 by default). To combine this loss with others, add
    it to the list ``loss_decode`` of a head.

    Args:
        use_sigmoid: Sigmoid of each channel instead of softmax over the channels; required by
            heads with one channel. None means softmax, or sigmoid with ``use_mask``.
        squared: Whether probabilities and targets are squared in the denominator (V-Net).
        per_image: Whether to compute Dice per image; otherwise one Dice over the batch.
        smooth_px: Added to numerator and denominator, in pixels, ``>= 0``.
        alpha: Weight of false positives, ``>= 0`` (Tversky).
        beta: Weight of false negatives, ``>= 0`` (Tversky).
        gamma: Power of the loss, ``> 0`` (focal Tversky).
        generalised: Whether the classes share one fraction in which rare classes have a higher
            weight (generalised Dice).
        class_weight: One weight ``>= 0`` per class; 0 excludes a class. The loss is the mean of
            weight times loss, not divided by the sum of the weights.
        use_mask: For mmdet's mask heads, which call ``loss(pred, target, labels)``: Dice of each
            RoI on the channel of its class, with sigmoid, averaged over the RoIs. In messages,
            an image is then an RoI.
        ce_weight: With ``use_mask``, factor ``>= 0`` of the binary cross-entropy of those
            channels, averaged over pixels and added to Dice, because a mask head accepts only
            one loss.
        check_target: Whether to refuse targets out of range; costs one or two synchronisations
            per call on a GPU.
        loss_weight: Factor of the result.
        loss_name: Name in the logs. If it does not contain ``loss``, mmengine logs the value but
            does not train with it.

    Raises:
        ConfigError: A number is negative or not finite, or settings exclude each other:
            ``use_mask`` with softmax, class weights or ``generalised``; ``ce_weight`` without
            ``use_mask``; ``squared`` with different ``alpha`` and ``beta``.

    Source:
        Milletari et al. 2016, arXiv:1606.04797; for the options, see ``soft_dice_loss``.

    Example:
        >>> import torch
        >>> loss = DiceLoss(loss_weight=3.0)
        >>> target = torch.tensor([[[0, 1, 1, 255]]])
        >>> value = loss(torch.zeros(1, 2, 1, 4), target, ignore_index=255)
        >>> abs(float(value) - 3.0 * (1.5 / 3.5 + 1.5 / 4.5) / 2) < 1e-6
        True
    """

    class_weight: Tensor | None

    def __init__(
        self,
        *,
        use_sigmoid: bool | None = None,
        squared: bool = False,
        per_image: bool = False,
        smooth_px: float = 1.0,
        alpha: float = 0.5,
        beta: float = 0.5,
        gamma: float = 1.0,
        generalised: bool = False,
        class_weight: Sequence[float] | None = None,
        use_mask: bool = False,
        ce_weight: float = 0.0,
        check_target: bool = True,
        loss_weight: float = 1.0,
        loss_name: str = "loss_dice",
    ) -> None:
        super().__init__()
        _check_numbers(
            smooth_px=smooth_px,
            alpha=alpha,
            beta=beta,
            gamma=gamma,
            ce_weight=ce_weight,
            loss_weight=loss_weight,
        )
        for value in class_weight or []:
            _check_numbers(class_weight=value)
        if use_mask:
            _check_mask_settings(use_sigmoid, class_weight, generalised=generalised)
        elif ce_weight:
            hint = "add a CrossEntropyLoss beside it to the head's list loss_decode."
            _refuse("ce_weight is set without use_mask", hint)
        if squared and alpha != beta:
            hint = "drop one of them: with squares, false positives may be negative."
            _refuse("squared is given and alpha and beta differ", hint)
        self.activation = "sigmoid" if use_sigmoid or use_mask else "softmax"
        self.squared = squared
        self.per_image = per_image or use_mask
        self.smooth_px = smooth_px
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.generalised = generalised
        self.use_mask = use_mask
        self.ce_weight = ce_weight
        self.check_target = check_target
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        # A buffer, so that it moves with the model; the config defines it, so no checkpoint does.
        self.register_buffer("class_weight", weight, persistent=False)

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int | None = 255,
    ) -> Tensor:
        """Return the weighted loss.

        Args:
            logits: ``(N, C, H, W)`` float, scores; ``(K, C, H, W)`` of K RoIs with ``use_mask``.
            target: ``(N, H, W)`` ids, or ``(N, C, H, W)`` one-hot; ``(K, H, W)`` 0 or 1 with
                ``use_mask``.
            weight: ``(N, H, W)`` pixel weights, or None; ``(K,)`` class ids with ``use_mask``.
            ignore_index: Id excluded from every sum, or None; not used with ``use_mask``.

        Returns:
            ``()`` float.

        Raises:
            ConfigError: The number of class weights differs from the number of channels.
            DataError: ``target`` holds an id that is neither a class nor ``ignore_index``, or the
                class id of an RoI is out of range; the message names value and image (RoI).
            ValueError: The shapes do not match, or softmax has one channel.
        """
        if self.use_mask:
            # mmdet passes (pred, target, labels) by position.
            logits, target = _pick_masks(logits, target, weight, check=self.check_target)
            weight = ignore_index = None
        class_weight = self.class_weight
        if class_weight is not None and len(class_weight) != logits.shape[1]:
            message = (
                f"cannot compute DiceLoss: class_weight has {len(class_weight)} values and the "
                f"head {logits.shape[1]} channels, expected the same number."
            )
            raise ConfigError(message, hint="give one weight for each class.")
        loss = soft_dice_loss(
            logits,
            target,
            activation=self.activation,
            squared=self.squared,
            per_image=self.per_image,
            smooth_px=self.smooth_px,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            generalised=self.generalised,
            class_weight=class_weight,
            pixel_weight=weight,
            ignore_index=ignore_index,
            check_target=self.check_target,
        )
        if self.ce_weight and len(logits):
            # In float32, because sums in float16 overflow.
            scores = logits.to(loss.dtype)
            entropy = functional.binary_cross_entropy_with_logits(scores, target.to(scores))
            loss = loss + self.ce_weight * entropy
        return self.loss_weight * loss

    def extra_repr(self) -> str:
        """Return the settings, for the printed model."""
        return (
            f"activation={self.activation!r}, squared={self.squared}, per_image={self.per_image}, "
            f"smooth_px={self.smooth_px}, alpha={self.alpha}, beta={self.beta}, "
            f"gamma={self.gamma}, generalised={self.generalised}, use_mask={self.use_mask}, "
            f"ce_weight={self.ce_weight}, loss_weight={self.loss_weight}"
        )


def _pick_masks(
    logits: Tensor, target: Tensor, labels: Tensor | None, *, check: bool
) -> tuple[Tensor, Tensor]:
    """Return for each RoI the channel of its class and its target, both ``(K, 1, H, W)``."""
    if labels is None or labels.shape != logits.shape[:1] or target.shape[1:] != logits.shape[2:]:
        found = None if labels is None else tuple(labels.shape)
        message = (
            f"cannot compute DiceLoss of masks: pred {tuple(logits.shape)}, target "
            f"{tuple(target.shape)}, labels {found}, expected (K, C, H, W), (K, H, W), (K,)."
        )
        raise ValueError(message)
    if check:
        _check_labels(labels, logits.shape[1])
    rows = torch.arange(len(labels), device=logits.device)
    return logits[rows, labels].unsqueeze(1), target.unsqueeze(1)


def _check_labels(labels: Tensor, classes: int) -> None:
    bad = ((labels < 0) | (labels >= classes)).nonzero().flatten().tolist()
    if bad:
        message = (
            f"cannot compute DiceLoss of masks: RoI {bad[0]} of the batch, counted from 0, is of "
            f"class {int(labels[bad[0]])}, expected an id from 0 to {classes - 1}."
        )
        raise DataError(message, hint="set the mask head's num_classes to match the data set.")


def _check_numbers(**settings: float) -> None:
    for key, value in settings.items():
        if not math.isfinite(value) or value < 0 or (key == "gamma" and value == 0):
            sign = ">" if key == "gamma" else ">="
            message = f"cannot build DiceLoss: {key} holds {value!r}, expected a number {sign} 0."
            raise ConfigError(message, where=key, hint=f"correct {key} in the config.")


def _check_mask_settings(
    use_sigmoid: bool | None, class_weight: Sequence[float] | None, *, generalised: bool
) -> None:
    if use_sigmoid is False:
        hint = "drop use_sigmoid: a mask head's channels are classes that do not compete."
        _refuse("use_mask is given and use_sigmoid is False, so softmax", hint)
    if class_weight is not None:
        hint = "drop class_weight: a mask head's RoIs weigh the same."
        _refuse("use_mask and class_weight are both given", hint)
    if generalised:
        hint = "drop generalised: an RoI has one class."
        _refuse("use_mask and generalised are both given", hint)


def _refuse(found: str, hint: str) -> NoReturn:
    message = f"cannot build DiceLoss: {found}."
    raise ConfigError(message, hint=hint)
