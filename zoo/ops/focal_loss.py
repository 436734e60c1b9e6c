# SPDX-License-Identifier: Apache-2.0
"""Sigmoid focal loss, with the signatures of mmcv's kernels.

mmdet's FocalLoss calls these on a GPU; on a CPU it has its own formula.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["sigmoid_focal_loss_backward", "sigmoid_focal_loss_forward"]


@torch.no_grad()
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each sample and class into ``output``.

    With ``p`` the sigmoid of the score, ``-alpha * (1 - p) ** gamma * log(p)`` for the sample's
    own class and ``-(1 - alpha) * p ** gamma * log(1 - p)`` for every other.

    Args:
        input: ``(K, C)`` float, scores before the sigmoid.
        target: ``(K,)`` int64; an id outside ``[0, C)`` is background.
        weight: ``(C,)`` float, of the sample's own class (background: 1), or empty for none.
        output: ``(K, C)``, overwritten.
        gamma: Focusing exponent, ``>= 0``.
        alpha: Weight of the own class against all others, in ``[0, 1]``.

    Source:
        Lin et al. 2017, arXiv:1708.02002.
    """
    p, is_own = input.sigmoid(), _is_own(input, target)
    own = -alpha * (1 - p) ** gamma * logsigmoid(input)
    other = -(1 - alpha) * p**gamma * logsigmoid(-input)
    output.copy_(own.where(is_own, other) * _weigh(weight, is_own))


@torch.no_grad()
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each loss by its score into ``grad_input``, shape ``(K, C)``.

    Args:
        input: As in the forward pass, like all others.
        target: ``(K,)`` int64.
        weight: ``(C,)`` float, or empty.
        grad_input: ``(K, C)``, overwritten.
        gamma: Focusing exponent.
        alpha: Weight of the own class.
    """
    p, is_own = input.sigmoid(), _is_own(input, target)
    own = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * logsigmoid(input))
    other = -(1 - alpha) * p**gamma * (gamma * (1 - p) * logsigmoid(-input) - p)
    grad_input.copy_(own.where(is_own, other) * _weigh(weight, is_own))


def _is_own(input: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _weigh(weight: Tensor, is_own: Tensor) -> Tensor | float:
    if weight.numel() == 0:
        return 1.0
    per_sample = (is_own * weight).sum(1, keepdim=True)
    return per_sample.where(is_own.any(1, keepdim=True), 1)
