# SPDX-License-Identifier: Apache-2.0
"""UPerNet with Swin-T as the authors of Swin trained it, for mmseg's ``EncoderDecoder``.

Their fork of mmseg 0.x had its own Swin; its heads are upstream's, under the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from zoo.conversion import SWIN_BUFFERS, Entry, Swin, convert_by_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["entries", "upernet_swin_tiny_ade20k"]

_WHAT = "UPerNet Swin-T with 150 classes"
_SWIN = Swin()
_CLASSES = 150
_CHANNELS = 512
_NORM = ("weight", "bias", "running_mean", "running_var")


def upernet_swin_tiny_ade20k(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's model.

    Args:
        state_dict: Name -> tensor of ``upernet_swin_tiny_patch4_window7_512x512``.

    Raises:
        ConversionError: The tensors are those of another architecture.
    """
    converted = convert_by_table(state_dict, entries(), what=_WHAT, dropped=[SWIN_BUFFERS])
    return {**converted, **_SWIN.indices("backbone.")}


def entries() -> Iterator[Entry]:
    """Yield every parameter of the model, and the statistics of its batch norms."""
    yield from _backbone()
    yield from _heads()


def _backbone() -> Iterator[Entry]:
    yield from _SWIN.entries("backbone.", "backbone.", merges_first=False)
    for level in range(4):
        for part in ("weight", "bias"):
            key = f"backbone.norm{level}.{part}"
            yield Entry(key, key, (_SWIN.channels * 2**level,))


def _heads() -> Iterator[Entry]:
    head, last = "decode_head.", _SWIN.channels * 8
    for scale in range(4):
        yield from _conv(f"{head}psp_modules.{scale}.1", (_CHANNELS, last, 1, 1))
    yield from _conv(f"{head}bottleneck", (_CHANNELS, last + 4 * _CHANNELS, 3, 3))
    for level in range(3):
        channels = _SWIN.channels * 2**level
        yield from _conv(f"{head}lateral_convs.{level}", (_CHANNELS, channels, 1, 1))
        yield from _conv(f"{head}fpn_convs.{level}", (_CHANNELS, _CHANNELS, 3, 3))
    yield from _conv(f"{head}fpn_bottleneck", (_CHANNELS, 4 * _CHANNELS, 3, 3))
    yield from _classifier(f"{head}conv_seg", _CHANNELS)
    yield from _conv("auxiliary_head.convs.0", (256, _SWIN.channels * 4, 3, 3))
    yield from _classifier("auxiliary_head.conv_seg", 256)


def _conv(key: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{key}.conv.weight", f"{key}.conv.weight", shape)
    for part in _NORM:
        yield Entry(f"{key}.bn.{part}", f"{key}.bn.{part}", shape[:1])


def _classifier(key: str, channels: int) -> Iterator[Entry]:
    yield Entry(f"{key}.weight", f"{key}.weight", (_CLASSES, channels, 1, 1))
    yield Entry(f"{key}.bias", f"{key}.bias", (_CLASSES,))
