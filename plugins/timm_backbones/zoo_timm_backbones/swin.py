# SPDX-License-Identifier: Apache-2.0
"""timm's Swin-T for ``SwinTransformer`` of mmdet and mmseg with ``out_indices=(3,)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import SWIN_BUFFERS, Entry, Swin, convert_by_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["swin_tiny"]

_WHAT = "Swin-T with windows of 7"
_SWIN = Swin()
_OLD = "layers.0.downsample.reduction.weight"


def swin_tiny(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the backbone; the norm of the last stage is the classifier's.

    Args:
        state_dict: Name -> tensor of timm's ``swin_tiny_patch4_window7_224``, with patch mergings
            before their stage (timm since 0.9) or after the one before.

    Raises:
        ConversionError: The tensors are those of another architecture.
    """
    table = [
        *_SWIN.entries("", "", merges_first=_OLD not in state_dict),
        *(Entry(f"norm.{part}", f"norm3.{part}", (768,)) for part in ("weight", "bias")),
    ]
    dropped = (SWIN_BUFFERS, r"head\.(fc\.)?(weight|bias)")
    converted = convert_by_table(state_dict, table, what=_WHAT, dropped=dropped)
    return {**converted, **_SWIN.indices("")}
