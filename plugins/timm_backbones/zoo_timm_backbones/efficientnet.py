# SPDX-License-Identifier: Apache-2.0
"""timm's EfficientNets for mmdet's ``EfficientNet``.

mmdet pads as TensorFlow does unless it is told otherwise. These weights were trained with symmetric
padding and an eps of 1e-5, so the backbone needs ``conv_cfg=dict(type="Conv2d")`` and
``norm_cfg=dict(type="BN", eps=1e-5)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion import Entry, convert_by_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EfficientNet", "efficientnet_b0", "efficientnet_b4"]

_NORM = ("weight", "bias", "running_mean", "running_var")
_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_LAYERS = (1, 2, 3, 4, 4, 5, 5)  # of mmdet, for each stage of timm


@dataclass(frozen=True, slots=True)
class EfficientNet:
    """A converter of one EfficientNet.

    Attributes:
        what: Name of the architecture, for messages.
        channels: Outputs of the stem, of the seven stages, and of the last convolution.
        depths: Blocks of the seven stages.
    """

    what: str
    channels: tuple[int, ...]
    depths: tuple[int, ...]

    def __call__(self, state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
        """Return the tensors of the backbone, without the classifier.

        Args:
            state_dict: Name -> tensor of timm's model.

        Raises:
            ConversionError: The tensors are those of another architecture.
        """
        dropped = [r"classifier\.(weight|bias)"]
        return convert_by_table(state_dict, self.entries(), what=self.what, dropped=dropped)

    def entries(self) -> Iterator[Entry]:
        """Yield every tensor of the backbone."""
        stem, head = self.channels[0], self.channels[-1]
        yield from _conv("conv_stem", "bn1", "layers.0", (stem, 3, 3, 3))
        blocks = [(stage, block) for stage in range(7) for block in range(self.depths[stage])]
        counts = dict.fromkeys(_LAYERS, 0)
        for stage, block in blocks:
            layer = _LAYERS[stage]
            before = self.channels[stage if block == 0 else stage + 1]
            source, target = f"blocks.{stage}.{block}.", f"layers.{layer}.{counts[layer]}."
            yield from self._block(stage, before, source, target)
            counts[layer] += 1
        yield from _conv("conv_head", "bn2", "layers.6", (head, self.channels[-2], 1, 1))

    def _block(self, stage: int, before: int, source: str, target: str) -> Iterator[Entry]:
        """Yield a block; the first stage expands no channels and names its layers otherwise."""
        side, out = _KERNELS[stage], self.channels[stage + 1]
        inner = before if stage == 0 else 6 * before
        names = [("conv_dw", "bn1"), ("conv_pw", "bn2")]
        if stage > 0:
            shape = (inner, before, 1, 1)
            yield from _conv(f"{source}conv_pw", f"{source}bn1", f"{target}expand_conv", shape)
            names = [("conv_dw", "bn2"), ("conv_pwl", "bn3")]
        shapes = {"depthwise_conv": (inner, 1, side, side), "linear_conv": (out, inner, 1, 1)}
        for (conv, norm), (name, shape) in zip(names, shapes.items(), strict=True):
            yield from _conv(f"{source}{conv}", f"{source}{norm}", f"{target}{name}", shape)
        squeezed = before // 4
        for old, new, shape in (
            ("conv_reduce", "conv1", (squeezed, inner, 1, 1)),
            ("conv_expand", "conv2", (inner, squeezed, 1, 1)),
        ):
            conv = f"{target}se.{new}.conv"
            yield Entry(f"{source}se.{old}.weight", f"{conv}.weight", shape)
            yield Entry(f"{source}se.{old}.bias", f"{conv}.bias", shape[:1])


def _conv(conv: str, norm: str, target: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{conv}.weight", f"{target}.conv.weight", shape)
    for part in _NORM:
        yield Entry(f"{norm}.{part}", f"{target}.bn.{part}", shape[:1])


efficientnet_b0 = EfficientNet(
    "EfficientNet-B0", (32, 16, 24, 40, 80, 112, 192, 320, 1280), (1, 2, 2, 3, 3, 4, 1)
)
efficientnet_b4 = EfficientNet(
    "EfficientNet-B4", (48, 24, 32, 56, 112, 160, 272, 448, 1792), (2, 4, 4, 6, 6, 8, 2)
)
