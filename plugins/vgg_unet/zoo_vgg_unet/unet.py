# SPDX-License-Identifier: Apache-2.0
"""An encoder with a U-Net decoder, as a backbone for mmseg's heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo_vgg_unet.upsampling import Upsampling, build_upsampling
from zoo_vgg_unet.vgg import Pooled

__all__ = ["EncoderDecoderUNet"]

_PROBE_PX = 64
# Errors of modules that return no pyramid or require a fixed image size.
_UNMEASURED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
_NORM = {"type": "BN"}
_ACTIVATION = {"type": "ReLU"}
_INIT = (
    {"type": "Kaiming", "layer": ["Conv2d", "ConvTranspose2d"]},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class EncoderDecoderUNet(BaseModule):
    """A backbone of any encoder and a U-Net decoder.

    Each stage of the decoder enlarges the map to the size of the encoder's next finer map,
    concatenates the two (a skip), and convolves. Stages beyond the finest map continue without
    skips, each to half the stride. Images can have any size, as a map takes the size of its skip.

    Parameters of the encoder start with ``encoder.``, so ``paramwise_cfg`` selects them with
    ``custom_keys={'backbone.encoder': dict(lr_mult=0.1)}``.

    Args:
        encoder: Config of a module whose ``forward`` takes ``(N, C, H, W)`` and returns maps,
            finest first: ``VGG16Encoder``, or a backbone of mmseg or another plugin.
        decoder_channels: Channels of each stage, coarsest first.
        num_convs: Number of convolutions per stage.
        upsample: ``bilinear``, ``bicubic``, ``nearest``, ``deconv`` (transposed convolution) or
            ``unpool`` (max-unpooling, which requires an encoder that returns pooling indices).
        skips: Whether to concatenate the encoder's maps with the decoder's.
        bridge_channels: Channels of a convolution between encoder and decoder, or None.
        in_channels: Channels of the encoder's maps, finest first; None to measure them with an
            empty image.
        strides: Strides of the encoder's maps, finest first; None to measure them.
        norm_cfg: Norm layer after each convolution of the decoder, or None.
        act_cfg: Activation after the norm layer, or None.
        init_cfg: Initialisation of mmengine for the decoder; Kaiming's normal distribution by
            default.

    Raises:
        ConfigError: The encoder is not a dict, the up-sampling is unknown, unpooling has an encoder
            without pooling indices, or the number of stages does not fit the encoder's maps.

    Source:
        Ronneberger et al. 2015, arXiv:1505.04597; without skips and with unpooling, SegNet:
        Badrinarayanan et al. 2015, arXiv:1511.00561.
    """

    def __init__(
        self,
        encoder: object,
        *,
        decoder_channels: Sequence[int] = (256, 128, 64, 32),
        num_convs: int = 2,
        upsample: str = "bilinear",
        skips: bool = True,
        bridge_channels: int | None = None,
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        norm_cfg: Mapping[str, Any] | None = _NORM,
        act_cfg: Mapping[str, Any] | None = _ACTIVATION,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg if init_cfg is not None else [dict(one) for one in _INIT])
        if not isinstance(encoder, Mapping):
            message = f"cannot build EncoderDecoderUNet: encoder is {encoder!r}, expected a dict."
            hint = "give for example dict(type='zoo.vgg_unet.VGG16Encoder')."
            raise ConfigError(message, where="encoder", hint=hint)
        self.encoder = MODELS.build(dict(encoder))
        if in_channels is None or strides is None:
            in_channels, strides = _measure(self.encoder)
        pooled_channels = _pooled_channels(self.encoder) if upsample == "unpool" else {}
        self.needs_indices = upsample == "unpool"
        self.skips = skips
        self.stage_strides = _stage_strides(strides, len(decoder_channels))
        block = {
            "norm_cfg": None if norm_cfg is None else dict(norm_cfg),
            "act_cfg": None if act_cfg is None else dict(act_cfg),
        }
        before, stride_before = in_channels[-1], strides[-1]
        self.bridge = nn.Identity()
        if bridge_channels is not None:
            self.bridge = ConvModule(before, bridge_channels, 3, padding=1, **block)
            before = bridge_channels
        self.stages = nn.ModuleList()
        finer = [*reversed(in_channels[:-1])] if skips else []
        for number, (stride, after) in enumerate(
            zip(self.stage_strides, decoder_channels, strict=True)
        ):
            up = build_upsampling(
                upsample, before, after, pooled_channels.get(stride, 0), stride_before // stride
            )
            skip = finer[number] if number < len(finer) else 0
            self.stages.append(_Stage(up, skip, after, num_convs, block))
            before, stride_before = after, stride

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the encoder's coarsest map and one map per stage, coarsest first.

        As in mmseg's UNet, the last map is the finest; heads select it with ``in_index=-1``.

        Args:
            x: ``(N, C, H, W)``.
        """
        height_px, width_px = x.shape[-2:]
        pooled: dict[int, Pooled] = {}
        if self.needs_indices:
            maps, pooled = self.encoder.forward_with_indices(x)
        else:
            maps = self.encoder(x)
        outputs = [self.bridge(maps[-1])]
        finer = [*reversed(maps[:-1])]
        for number, (stage, stride) in enumerate(zip(self.stages, self.stage_strides, strict=True)):
            skip = finer[number] if number < len(finer) else None
            size = (-(-height_px // stride), -(-width_px // stride))
            if skip is not None:
                size = (skip.shape[-2], skip.shape[-1])
            skip = skip if self.skips else None
            outputs.append(stage(outputs[-1], size, skip, pooled.get(stride)))
        return tuple(outputs)


class _Stage(nn.Module):
    """Enlarge the map, concatenate the skip, and convolve."""

    def __init__(
        self, up: Upsampling, skip_channels: int, out_channels: int, num_convs: int, block: Any
    ) -> None:
        super().__init__()
        self.up = up
        before = up.out_channels + skip_channels
        self.convs = nn.Sequential()
        for _ in range(num_convs):
            self.convs.append(ConvModule(before, out_channels, 3, padding=1, **block))
            before = out_channels

    def forward(
        self, x: Tensor, size: tuple[int, int], skip: Tensor | None, pooled: Pooled | None
    ) -> Tensor:
        x = self.up(x, size, pooled)
        merged: Tensor = self.convs(x if skip is None else torch.cat([x, skip], dim=1))
        return merged


def _measure(encoder: nn.Module) -> tuple[list[int], list[int]]:
    """Return channels and strides of the encoder's maps, measured with an empty image."""
    channels = getattr(encoder, "in_channels", 3)
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            maps = encoder(torch.zeros(1, channels, _PROBE_PX, _PROBE_PX))
        found = [(int(one.shape[1]), _PROBE_PX // int(one.shape[-1])) for one in maps]
    except _UNMEASURED as error:
        message = (
            f"cannot measure the maps of {type(encoder).__name__}: it fails on an image of "
            f"{_PROBE_PX}x{_PROBE_PX} px: {error}."
        )
        hint = "state in_channels and strides of its maps, finest first."
        raise ConfigError(message, where="encoder", hint=hint) from error
    finally:
        encoder.train(was_training)
    return [one for one, _ in found], [stride for _, stride in found]


def _stage_strides(strides: Sequence[int], stages: int) -> list[int]:
    """Return the output stride of each stage of the decoder."""
    if list(strides) != sorted(set(strides)):
        message = f"cannot build EncoderDecoderUNet: the encoder's maps have strides {[*strides]}, "
        message += "expected each to be coarser than the one before."
        raise ConfigError(message, where="encoder", hint="choose other maps (out_indices).")
    found = [*reversed(strides[:-1])]
    while len(found) < stages and (found or strides)[-1] > 1:
        found.append((found or strides)[-1] // 2)
    if len(found) != stages:
        message = (
            f"cannot build EncoderDecoderUNet: decoder_channels has {stages} stages, expected "
            f"{len(strides) - 1} to {len(found)} for an encoder with maps of strides {[*strides]}."
        )
        raise ConfigError(message, where="decoder_channels", hint="give one width for each stage.")
    return found


def _pooled_channels(encoder: nn.Module) -> dict[int, int]:
    """Return the channels of the encoder's poolings, by the stride before each."""
    found = getattr(encoder, "pooled_channels", None)
    if found is None or not hasattr(encoder, "forward_with_indices"):
        message = f"cannot unpool: the encoder {type(encoder).__name__} keeps no pooling indices."
        hint = "use VGG16Encoder, or another up-sampling: bilinear, bicubic, nearest, deconv."
        raise ConfigError(message, where="upsample", hint=hint)
    return dict(found)
