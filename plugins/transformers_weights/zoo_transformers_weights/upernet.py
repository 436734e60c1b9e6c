# SPDX-License-Identifier: Apache-2.0
"""``UperNetForSemanticSegmentation`` with Swin as mmseg's SwinTransformer, UPerHead, FCNHead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import KeyMap
from zoo_transformers_weights.swin import finish_swin, swin_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert", "head_table"]

_WHAT = "UPerNet with Swin"
_UNITS = """
decode_head.psp_modules.{p}.1      : D *
decode_head.bottleneck             : D *
decode_head.lateral_convs.{l}      : D *
decode_head.fpn_convs.{l}          : D D
decode_head.fpn_bottleneck         : D 4*D
auxiliary_head.convs.0             : A *
"""


def head_table(norm: str) -> str:
    """Return the lines of a UPerNet head with an auxiliary head for a `zoo.conversion.KeyMap`.

    Args:
        norm: What the file calls a batch norm.
    """
    lines = []
    for unit in _UNITS.strip().splitlines():
        name, _, sizes = (part.strip() for part in unit.partition(":"))
        lines += [
            f"{name}.conv.weight -> {name}.conv.weight : {sizes} * *",
            f"{name}.{norm}.num_batches_tracked -> {name}.bn.num_batches_tracked :",
        ]
        parts = "{weight,bias,running_mean,running_var}"
        lines.append(f"{name}.{norm}.{parts} -> {name}.bn.{parts} : {sizes[0]}")
    for head, width in (("decode_head", "D"), ("auxiliary_head", "A")):
        lines.append(f"{head}.classifier.weight -> {head}.conv_seg.weight : K {width} 1 1")
        lines.append(f"{head}.classifier.bias -> {head}.conv_seg.bias : K")
    return "\n".join(lines)


_KEYMAP = KeyMap(_WHAT, swin_table("backbone.", "backbone.") + head_table("batch_norm"))


def convert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's UPerNet with Swin.

    Args:
        state_dict: That of ``UperNetForSemanticSegmentation`` with a Swin backbone.

    Raises:
        ConversionError: It is another architecture's.
    """
    return finish_swin(_KEYMAP.apply(state_dict), "backbone.", _WHAT)
