# SPDX-License-Identifier: Apache-2.0
"""A classifier with a channel for each of COCO's category ids, as torchvision trains it."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.losses import CrossEntropyLoss, accuracy
from torch import Tensor

from zoo_torchvision_weights.categories import COCO_IDS, NUM_CHANNELS

__all__ = ["CategoryIdLoss"]


class CategoryIdLoss(CrossEntropyLoss):  # type: ignore[misc]  # mmdet is not typed here
    """mmdet's softmax cross-entropy for a box head, over 91 channels where a head has 80 classes.

    torchvision's classifiers have a channel for the background, 0, and for each category id of COCO
    up to 90, of which ten belong to no class. The softmax runs over all 91, so scores equal
    torchvision's; then the 80 classes are kept in their order and the background is put last, where
    mmdet has it. A head for another number of classes, such as one fine-tuned on other data, has a
    channel for each class and the background, as usual in mmdet.

    Args:
        settings: Those of mmdet's ``CrossEntropyLoss``.
    """

    custom_cls_channels = True
    custom_activation = True
    custom_accuracy = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.is_by_category = False
        self.register_buffer("channels", torch.tensor([*COCO_IDS, 0]), persistent=False)

    def get_cls_channels(self, num_classes: int) -> int:
        """Return the number of channels of the classifier; mmdet's heads ask for it.

        Args:
            num_classes: Number of classes without the background.
        """
        self.is_by_category = num_classes == len(COCO_IDS)
        return NUM_CHANNELS if self.is_by_category else num_classes + 1

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Return the scores of the classes and, last, of the background: ``(N, classes + 1)``.

        Args:
            cls_score: ``(N, channels)`` logits.
        """
        scores = cls_score.softmax(dim=-1)
        return scores[:, self.channels] if self.is_by_category else scores

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``acc``, the share of boxes whose best class is right, in percent.

        Args:
            cls_score: ``(N, channels)`` logits.
            labels: ``(N,)`` int64 ids of classes, or of the background: the number of classes.
        """
        return {"acc": accuracy(self.get_activation(cls_score), labels)}

    def forward(self, cls_score: Tensor, label: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the loss.

        Args:
            cls_score: ``(N, channels)`` logits.
            label: ``(N,)`` int64 ids of classes, or of the background: the number of classes.
            args: As in mmdet.
            kwargs: The same by name.
        """
        wanted = self.channels[label] if self.is_by_category else label
        loss: Tensor = super().forward(cls_score, wanted, *args, **kwargs)
        return loss
