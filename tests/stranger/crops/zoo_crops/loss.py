# SPDX-License-Identifier: Apache-2.0
"""Focal loss over the labelled pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FocalLoss"]


class FocalLoss(nn.Module):
    """Cross-entropy times ``(1 - p)^gamma``, the mean over pixels that are labelled.

    Args:
        gamma: How much less a pixel counts that is right already.
        loss_name: Name in the logs.

    Source:
        Lin et al. 2017, arXiv:1708.02002, without its class weights.
    """

    def __init__(self, gamma: float = 2.0, loss_name: str = "loss_focal") -> None:
        super().__init__()
        self.gamma = gamma
        self.loss_name = loss_name

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return the loss of logits ``(N, C, H, W)`` and ids ``(N, H, W)``."""
        logs = nn.functional.log_softmax(pred.float(), 1)
        keep = target != ignore_index
        own = logs.gather(1, (target * keep).unsqueeze(1)).squeeze(1)
        focal = -((1 - own.exp()) ** self.gamma) * own * keep
        if weight is not None:
            focal = focal * weight
        return focal.sum() / torch.clamp(keep.sum(), min=1)
