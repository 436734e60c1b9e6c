# SPDX-License-Identifier: Apache-2.0
"""A head and a segmentor for backbones whose output is smaller than the image."""

from __future__ import annotations

from typing import Any

from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder, FCNHead
from mmseg.structures import SegDataSample
from torch import Tensor

from zoo.errors import ConfigError
from zoo_vgg_unet.original import crop_centre
from zoo_vgg_unet.tiling import Geometry, run_tiled

__all__ = ["CroppedFCNHead", "TiledEncoderDecoder"]


class CroppedFCNHead(FCNHead):
    """mmseg's FCNHead, but labels are cropped to the scores instead of resizing the scores.

    Args:
        stride: Image pixels per score: 1 on the finest map, 2 on the next coarser one, and so on,
            for auxiliary heads.
        **kwargs: Arguments of mmseg's ``FCNHead``.
    """

    def __init__(self, *, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def loss_by_feat(
        self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses on the centre of the labels.

        Args:
            seg_logits: ``(N, C, h, w)``.
            batch_data_samples: Data samples with ``gt_sem_seg`` of the image's size.

        Raises:
            DataError: The labels are smaller than the scores, or their margin is odd.
        """
        size = (seg_logits.shape[-2] * self.stride, seg_logits.shape[-1] * self.stride)
        cropped = [
            SegDataSample(gt_sem_seg=PixelData(data=crop_centre(sample.gt_sem_seg.data, size)))
            for sample in batch_data_samples
        ]
        losses: dict[str, Tensor] = super().loss_by_feat(seg_logits, cropped)
        return losses

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Refuse to resize scores that lack the image's margin.

        Args:
            seg_logits: Not used.
            batch_img_metas: Not used.

        Raises:
            ConfigError: Always; the segmentor merges the tiles.
        """
        message = "cannot predict with CroppedFCNHead in another segmentor: its scores lack the "
        message += "image's margin, expected the model's type 'zoo.vgg_unet.TiledEncoderDecoder'."
        raise ConfigError(message, where="model.type", hint="change the model's type.")


class TiledEncoderDecoder(EncoderDecoder):
    """mmseg's EncoderDecoder with prediction in tiles of the mirror-padded image.

    Training is that of ``EncoderDecoder``. ``test_cfg=dict(mode='whole', tile_px=572)`` sets the
    largest input of the network; it affects memory, not the result.

    Args:
        **kwargs: Arguments of mmseg's ``EncoderDecoder``; the backbone is an ``OriginalUNet``, the
            head a ``CroppedFCNHead``.

    Raises:
        ConfigError: The backbone does not state its margin, does not accept the size of tiles, or
            the config uses mmseg's sliding windows.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not hasattr(self.backbone, "margin_px"):
            message = f"cannot tile for the backbone {type(self.backbone).__name__}: it has no "
            message += "margin_px, expected an OriginalUNet."
            raise ConfigError(message, where="model.backbone", hint="use EncoderDecoder instead.")
        if self.test_cfg.get("mode", "whole") != "whole":
            message = (
                f"cannot tile in mode {self.test_cfg.mode!r}: expected 'whole', tiles overlap "
            )
            message += "already."
            raise ConfigError(message, where="model.test_cfg.mode", hint="set mode='whole'.")
        tile_px = int(self.test_cfg.get("tile_px", 572))
        # One step above the smallest input, whose output is too small for the grid.
        least_px = self.backbone.least_px + self.backbone.stride_px
        over = tile_px - least_px
        if over < 0 or over % self.backbone.stride_px:
            message = (
                f"cannot use tiles of {tile_px} px: expected {least_px} px, or more "
                f"by steps of {self.backbone.stride_px} px."
            )
            raise ConfigError(message, where="model.test_cfg.tile_px", hint="correct tile_px.")
        self.geometry = Geometry(self.backbone.margin_px, self.backbone.stride_px, tile_px)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Return scores for every pixel.

        Args:
            inputs: ``(N, C, H, W)``, of any size.
            batch_img_metas: Not used.

        Returns:
            ``(N, K, H, W)``.
        """
        return run_tiled(inputs, self._forward, self.geometry)
