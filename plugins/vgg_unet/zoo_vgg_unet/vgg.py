# SPDX-License-Identifier: Apache-2.0
"""The convolutions of VGG-16, as an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ConfigError, DataError
from zoo_vgg_unet.pretrained import load_vgg16

__all__ = ["Pooled", "VGG16Encoder"]

# Channels for 64 base channels, one row per block; Simonyan and Zisserman 2014, table 1, column D.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_DEFAULT_INIT = (
    {"type": "Kaiming", "layer": "Conv2d"},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class Pooled(NamedTuple):
    """The data of a pooling for max-unpooling.

    Attributes:
        indices: ``(N, C, H // 2, W // 2)`` int64, indices of the maxima in the flat ``(H, W)`` map.
        size: ``(H, W)`` before the pooling.
    """

    indices: Tensor
    size: tuple[int, int]


class VGG16Encoder(BaseModule):
    """The five blocks of VGG-16, without its classifier.

    Parameters have torchvision's names, ``features.N.weight``, so its ``vgg16`` and ``vgg16_bn``
    load directly (``init_cfg=dict(type='Pretrained', checkpoint=FILE)``), and so do files of Keras.
    See ``zoo_vgg_unet.pretrained``.

    Args:
        in_channels: Channels of the images.
        base_channels: Channels of the first block; 64 for VGG-16, fewer for narrower blocks.
        norm_cfg: Norm layer after each convolution, such as ``dict(type='BN')`` for torchvision's
            ``vgg16_bn``, or None.
        tap: Place of the maps: ``"conv"``, before each block's pooling (strides 1, 2, 4, 8, 16),
            or ``"pool"``, after it (strides 2, 4, 8, 16, 32; as in keras-segmentation).
        num_blocks: Number of blocks, 1 to 5, and of returned maps.
        init_cfg: Initialisation of mmengine; Kaiming's normal distribution by default.

    Attributes:
        pooled_channels: Channels of each pooling, by the stride before it.

    Raises:
        ConfigError: ``tap`` is unknown, or ``num_blocks`` is not from 1 to 5.

    Source:
        Simonyan and Zisserman 2014, arXiv:1409.1556, configuration D.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        base_channels: int = 64,
        norm_cfg: Mapping[str, Any] | None = None,
        tap: str = "conv",
        num_blocks: int = 5,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg if init_cfg is not None else [dict(one) for one in _DEFAULT_INIT])
        if tap not in ("conv", "pool"):
            message = f"cannot build VGG16Encoder: tap is {tap!r}, expected 'conv' or 'pool'."
            raise ConfigError(message, where="tap", hint="correct tap in the config.")
        if num_blocks not in range(1, 6):
            message = f"cannot build VGG16Encoder: num_blocks is {num_blocks!r}, expected 1 to 5."
            raise ConfigError(message, where="num_blocks", hint="correct it in the config.")
        self.in_channels = in_channels
        self.num_blocks = num_blocks
        self.tap = tap
        self.features = nn.Sequential()
        self.out_channels: list[int] = []
        for widths in _BLOCKS[:num_blocks]:
            for width in widths:
                out = width * base_channels // 64
                self._add_convolution(in_channels, out, norm_cfg)
                in_channels = out
            self.features.append(nn.MaxPool2d(2))
            self.out_channels.append(in_channels)
        poolings = num_blocks - (tap == "conv")
        self.pooled_channels = {2**at: self.out_channels[at] for at in range(poolings)}

    def _add_convolution(self, before: int, after: int, norm_cfg: Mapping[str, Any] | None) -> None:
        self.features.append(nn.Conv2d(before, after, 3, padding=1))
        if norm_cfg is not None:
            self.features.append(build_norm_layer(dict(norm_cfg), after)[1])
        self.features.append(nn.ReLU(inplace=True))

    def init_weights(self) -> None:
        """Initialise the parameters, from a file for ``Pretrained``, otherwise as mmengine does.

        Raises:
            CheckpointError: The file cannot be read, or holds weights of another architecture.
            ConfigError: The checkpoint is a URL; nothing is downloaded.
        """
        given = self.init_cfg or []
        chosen = [given] if isinstance(given, Mapping) else given
        file = next((one for one in chosen if one["type"] == "Pretrained"), None)
        if file is None:
            super().init_weights()
        else:
            load_vgg16(self, file["checkpoint"], prefix=file.get("prefix") or "")
            self._is_init = True

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return one map per block, finest first.

        Args:
            x: ``(N, in_channels, H, W)``.

        Raises:
            DataError: The image is smaller than the poolings need.
        """
        return self._run(x, None)

    def forward_with_indices(self, x: Tensor) -> tuple[tuple[Tensor, ...], dict[int, Pooled]]:
        """Return the maps of `forward`, and the indices of each pooling by the stride before it.

        Args:
            x: ``(N, in_channels, H, W)``.

        Raises:
            DataError: The image is smaller than the poolings need.
        """
        pooled: dict[int, Pooled] = {}
        return self._run(x, pooled), pooled

    def _run(self, x: Tensor, pooled: dict[int, Pooled] | None) -> tuple[Tensor, ...]:
        poolings = len(self.pooled_channels)
        self._check_size(x.shape[-2:], 2**poolings)
        maps: list[Tensor] = []
        for layer in self.features:
            if not isinstance(layer, nn.MaxPool2d):
                x = layer(x)
                continue
            if self.tap == "conv":
                maps.append(x)
                if len(maps) > poolings:
                    break  # the output of the last pooling is not used
            if pooled is None:
                x = layer(x)
            else:
                size = (x.shape[-2], x.shape[-1])
                x, indices = functional.max_pool2d(x, 2, return_indices=True)
                pooled[2 ** len(pooled)] = Pooled(indices, size)
            if self.tap == "pool":
                maps.append(x)
        return tuple(maps)

    @staticmethod
    def _check_size(size: Sequence[int], least_px: int) -> None:
        if min(size) < least_px:
            message = (
                f"cannot encode an image of {size[1]}x{size[0]} px: expected at least "
                f"{least_px}x{least_px} px, of which the poolings leave one pixel."
            )
            hint = "resize the images to a larger size, or use fewer blocks (num_blocks)."
            raise DataError(message, hint=hint)
