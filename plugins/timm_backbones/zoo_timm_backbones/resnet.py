# SPDX-License-Identifier: Apache-2.0
"""timm's ResNet-50 for ``ResNet`` of mmdet and mmseg: torchvision's names on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from zoo.conversion import Entry, convert_by_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["resnet50"]

_WHAT = "ResNet-50"
_NORM = ("weight", "bias", "running_mean", "running_var")


def resnet50(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the backbone, without the classifier.

    Args:
        state_dict: Name -> tensor of timm's ``resnet50``.

    Raises:
        ConversionError: The tensors are those of another architecture.
    """
    return convert_by_table(state_dict, _entries(), what=_WHAT, dropped=[r"fc\.(weight|bias)"])


def _entries() -> Iterator[Entry]:
    yield from _conv("conv1", "bn1", (64, 3, 7, 7))
    for stage, depth in enumerate((3, 4, 6, 3)):
        inner, out = 64 * 2**stage, 256 * 2**stage
        for block in range(depth):
            at = f"layer{stage + 1}.{block}."
            before = out if block else (out // 2 if stage else 64)
            yield from _conv(f"{at}conv1", f"{at}bn1", (inner, before, 1, 1))
            yield from _conv(f"{at}conv2", f"{at}bn2", (inner, inner, 3, 3))
            yield from _conv(f"{at}conv3", f"{at}bn3", (out, inner, 1, 1))
            if block == 0:
                yield from _conv(f"{at}downsample.0", f"{at}downsample.1", (out, before, 1, 1))


def _conv(conv: str, norm: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{conv}.weight", f"{conv}.weight", shape)
    for part in _NORM:
        yield Entry(f"{norm}.{part}", f"{norm}.{part}", shape[:1])
