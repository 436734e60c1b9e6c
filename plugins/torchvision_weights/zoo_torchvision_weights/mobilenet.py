# SPDX-License-Identifier: Apache-2.0
"""torchvision's MobileNetV2 as the backbones of mmseg and mmdet, whose names differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from zoo_torchvision_weights.layout import (
    Layout,
    check_layout,
    convolution,
    linear,
    norm,
    with_counters,
)

__all__ = ["mobilenet_v2_mmdet", "mobilenet_v2_mmseg"]

WHAT = "torchvision's mobilenet_v2"
# Expansion, channels out and blocks of each stage: torchvision/models/mobilenetv2.py, 0.28.0.
_STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
_STEM, _LAST, _NUM_CLASSES = 32, 1280, 1000


def mobilenet_v2_mmseg(state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
    """Return the tensors of ``mmseg.MobileNetV2``, which ends before the last convolution.

    Args:
        state_dict: torchvision's ``mobilenet_v2``.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    return _convert(state_dict, ("conv.0", "conv.1", "conv.2"), keeps_last=False)


def mobilenet_v2_mmdet(state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
    """Return the tensors of ``mmdet.MobileNetV2``, with the last convolution.

    Args:
        state_dict: torchvision's ``mobilenet_v2``.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    steps = ("expand_conv", "depthwise_conv", "linear_conv")
    return _convert(state_dict, steps, keeps_last=True)


def _convert(
    state_dict: Mapping[str, Tensor], steps: tuple[str, str, str], *, keeps_last: bool
) -> dict[str, Tensor]:
    """Return the tensors under new names.

    Args:
        state_dict: torchvision's network.
        steps: Names in the target of a block's expanding, depthwise and last convolution.
        keeps_last: Whether the target has the convolution before the classifier.
    """
    check_layout(state_dict, _layout(), what=WHAT)
    names = dict(_renamed(steps))
    if keeps_last:
        names |= {"features.18.0": "conv2.conv", "features.18.1": "conv2.bn"}
    tensors = {}
    for key, tensor in state_dict.items():
        layer, _, name = key.rpartition(".")
        if layer in names:
            tensors[f"{names[layer]}.{name}"] = tensor
    return with_counters(tensors)


def _blocks() -> Iterator[tuple[int, int, int, int, int]]:
    """Yield index among the features, stage, number in it, expansion and channels out."""
    index = 0
    for stage, (expansion, out, count) in enumerate(_STAGES, 1):
        for number in range(count):
            index += 1
            yield index, stage, number, expansion, out


def _renamed(steps: tuple[str, str, str]) -> Iterator[tuple[str, str]]:
    yield from (("features.0.0", "conv1.conv"), ("features.0.1", "conv1.bn"))
    for index, stage, number, expansion, _ in _blocks():
        here, there = f"features.{index}.conv", f"layer{stage}.{number}"
        # mmseg counts the steps of a block, mmdet names them: the first block does not expand.
        is_counted = steps[0].startswith("conv.")
        used = steps if expansion != 1 else (steps[:2] if is_counted else steps[1:])
        for position, step in enumerate(used[:-1]):
            yield f"{here}.{position}.0", f"{there}.{step}.conv"
            yield f"{here}.{position}.1", f"{there}.{step}.bn"
        last = len(used) - 1
        yield f"{here}.{last}", f"{there}.{used[-1]}.conv"
        yield f"{here}.{last + 1}", f"{there}.{used[-1]}.bn"


def _layout() -> Layout:
    layout = _normalised("features.0.0", "features.0.1", 3, _STEM, 3)
    channels = _STEM
    for index, _, _, expansion, out in _blocks():
        here, inner = f"features.{index}.conv", channels * expansion
        depthwise = 0 if expansion == 1 else 1
        if depthwise:
            layout |= _normalised(f"{here}.0.0", f"{here}.0.1", channels, inner, 1)
        layout |= _normalised(f"{here}.{depthwise}.0", f"{here}.{depthwise}.1", 1, inner, 3)
        layout |= _normalised(f"{here}.{depthwise + 1}", f"{here}.{depthwise + 2}", inner, out, 1)
        channels = out
    layout |= _normalised("features.18.0", "features.18.1", channels, _LAST, 1)
    return layout | linear("classifier.1", _LAST, _NUM_CLASSES)


def _normalised(key: str, norm_key: str, channels_in: int, channels_out: int, side: int) -> Layout:
    weights = convolution(key, channels_in, channels_out, side, has_bias=False)
    return {**weights, **norm(norm_key, channels_out)}
