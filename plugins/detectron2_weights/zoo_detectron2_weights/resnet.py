# SPDX-License-Identifier: Apache-2.0
"""The tensors of detectron2's ResNet and of mmdet's, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zoo.conversion import Entry

__all__ = ["ResNet", "conv_entries", "norm_entries"]

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_STEM_CHANNELS = 64
_RES2_CHANNELS = 256
_PARTS = {
    "bn": ("weight", "bias", "running_mean", "running_var"),
    "gn": ("weight", "bias"),
}


def norm_entries(norm: str, source: str, target: str, channels: int) -> Iterator[Entry]:
    """Yield the tensors of a norm.

    Args:
        norm: ``bn`` (also frozen or synchronized) or ``gn``.
        source: Its key in detectron2, without the last part.
        target: The same in mmdet.
        channels: Number of channels.
    """
    for part in _PARTS[norm]:
        yield Entry(f"{source}.{part}", f"{target}.{part}", (channels,))


def conv_entries(source: str, target: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    """Yield weight and bias of a convolution or linear layer.

    Args:
        source: Its key in detectron2, without the last part.
        target: The same in mmdet.
        shape: Shape of the weight, outputs first.
    """
    yield Entry(f"{source}.weight", f"{target}.weight", shape)
    yield Entry(f"{source}.bias", f"{target}.bias", shape[:1])


@dataclass(frozen=True, slots=True)
class ResNet:
    """A ResNet of bottleneck blocks.

    Where a block halves the resolution (detectron2's ``STRIDE_IN_1X1``, mmdet's ``style``) is not
    to be seen in tensors: the config says it.

    Attributes:
        depth: 50 or 101.
        norm: ``bn`` or ``gn``.
        groups: Groups of the 3x3 convolutions.
        group_width: Channels of a group in the first stage.
    """

    depth: int = 50
    norm: str = "bn"
    groups: int = 1
    group_width: int = 64

    def stem(self, source: str, target: str) -> Iterator[Entry]:
        """Yield the tensors of the first convolution.

        Args:
            source: Key of the backbone in detectron2, with a dot at its end.
            target: The same in mmdet.
        """
        shape = (_STEM_CHANNELS, 3, 7, 7)
        yield Entry(f"{source}stem.conv1.weight", f"{target}conv1.weight", shape)
        yield from norm_entries(
            self.norm, f"{source}stem.conv1.norm", f"{target}{self.norm}1", _STEM_CHANNELS
        )

    def stages(self, source: str, target: str, stages: range = range(4)) -> Iterator[Entry]:
        """Yield the tensors of some stages.

        Args:
            source: Key of the backbone in detectron2, with a dot at its end.
            target: The same in mmdet.
            stages: Which of ``layer1`` to ``layer4``, from 0.
        """
        for stage in stages:
            for block in range(_BLOCKS[self.depth][stage]):
                yield from self._block(
                    stage,
                    block,
                    f"{source}res{stage + 2}.{block}.",
                    f"{target}layer{stage + 1}.{block}.",
                )

    def _block(self, stage: int, block: int, source: str, target: str) -> Iterator[Entry]:
        out = _RES2_CHANNELS * 2**stage
        inner = self.groups * self.group_width * 2**stage
        before = (_STEM_CHANNELS if stage == 0 else out // 2) if block == 0 else out
        shapes = {
            "conv1": (inner, before, 1, 1),
            "conv2": (inner, inner // self.groups, 3, 3),
            "conv3": (out, inner, 1, 1),
        }
        for name, shape in shapes.items():
            yield Entry(f"{source}{name}.weight", f"{target}{name}.weight", shape)
            norm = f"{target}{self.norm}{name[-1]}"
            yield from norm_entries(self.norm, f"{source}{name}.norm", norm, shape[0])
        if block == 0:
            shape = (out, before, 1, 1)
            yield Entry(f"{source}shortcut.weight", f"{target}downsample.0.weight", shape)
            yield from norm_entries(
                self.norm, f"{source}shortcut.norm", f"{target}downsample.1", out
            )
