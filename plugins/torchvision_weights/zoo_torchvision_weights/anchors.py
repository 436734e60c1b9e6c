# SPDX-License-Identifier: Apache-2.0
"""Anchors as torchvision places them."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from torch import Tensor

__all__ = ["RoundedAnchors"]


class RoundedAnchors(AnchorGenerator):  # type: ignore[misc]  # mmdet is not typed here
    """mmdet's anchors with rounded corners, on a grid that fills the padded image.

    mmdet's anchors have the corners that their areas and ratios give, and lie ``stride`` apart.
    torchvision rounds the corners of the anchors at the origin, and puts them ``side of the padded
    image // side of the map`` apart: where a map was rounded up, such as 3 of 5 half steps at the
    coarsest level, the grid is finer. Proposals differ by up to 0.8 px otherwise.

    Source:
        torchvision 0.28.0, ``torchvision/models/detection/anchor_utils.py``.
    """

    strides: list[tuple[int, int]]

    def gen_single_level_base_anchors(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the anchors at the origin, ``(A, 4)`` xyxy, px.

        Args:
            args: As in mmdet.
            kwargs: The same by name.
        """
        anchors: Tensor = super().gen_single_level_base_anchors(*args, **kwargs)
        return anchors.round()

    def grid_priors(
        self,
        featmap_sizes: list[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cuda",
    ) -> list[Any]:
        """Return the anchors of every level, each ``(H * W * A, 4)`` xyxy, px.

        Args:
            featmap_sizes: Height and width of each level's map. The finest gives the size of the
                padded image, a multiple of its stride.
            dtype: Of the anchors.
            device: Where they are created.
        """
        nominal = self.strides
        height, width = (
            int(side) * stride
            for side, stride in zip(featmap_sizes[0], reversed(nominal[0]), strict=True)
        )
        self.strides = [
            (width // int(w), height // int(h))
            for (h, w), _ in zip(featmap_sizes, nominal, strict=True)
        ]
        try:
            anchors: list[Any] = super().grid_priors(featmap_sizes, dtype, device)
        finally:
            self.strides = nominal
        return anchors
