# SPDX-License-Identifier: Apache-2.0
"""``BeitForSemanticSegmentation`` as mmseg's BEiT, Feature2Pyramid, UPerHead, FCNHead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import KeyMap, Misshaped, mismatch, window_index
from zoo_transformers_weights.upernet import head_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

_WHAT = "BEiT with UPerNet"
_KEYS = """
beit.embeddings.cls_token -> backbone.cls_token : 1 1 C
beit.embeddings.patch_embeddings.projection.weight -> backbone.patch_embed.projection.weight : C 3 * *
beit.embeddings.patch_embeddings.projection.bias -> backbone.patch_embed.projection.bias : C
SRC.lambda_{1,2} -> DST.gamma_{1,2} : C
SRC.layernorm_{before,after}.{weight,bias} -> DST.ln{1,2}.{weight,bias} : C
SRC.attention.attention.{query,key,value}.weight -> DST.attn.qkv.weight@{0,1,2} : C C
SRC.attention.attention.{query,value}.bias -> DST.attn.{q,v}_bias : C
SRC.attention.attention.relative_position_bias.relative_position_bias_table -> DST.attn.relative_position_bias_table : W H
? SRC.attention.attention.relative_position_bias.relative_position_index -> DST.attn.relative_position_index : P P
SRC.attention.output.dense.weight -> DST.attn.proj.weight : C C
SRC.attention.output.dense.bias -> DST.attn.proj.bias : C
SRC.intermediate.dense.weight -> DST.ffn.layers.0.0.weight : F C
SRC.intermediate.dense.bias -> DST.ffn.layers.0.0.bias : F
SRC.output.dense.weight -> DST.ffn.layers.1.weight : C F
SRC.output.dense.bias -> DST.ffn.layers.1.bias : C
fpn1.{0,3}.weight -> neck.upsample_4x.{0,3}.weight : C C 2 2
fpn1.{0,3}.bias -> neck.upsample_4x.{0,3}.bias : C
fpn1.1.{weight,bias,running_mean,running_var} -> neck.upsample_4x.1.{weight,bias,running_mean,running_var} : C
fpn1.1.num_batches_tracked -> neck.upsample_4x.1.num_batches_tracked :
fpn2.0.weight -> neck.upsample_2x.0.weight : C C 2 2
fpn2.0.bias -> neck.upsample_2x.0.bias : C
""".replace("SRC.", "beit.encoder.layer.{b}.").replace("DST.", "backbone.layers.{b}.")  # noqa: E501
_KEYMAP = KeyMap(_WHAT, _KEYS + head_table("bn"))
_EXTRA_ROWS = 3
"""Of a bias table: from the class token, to it, and of it with itself."""


def convert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's BEiT with UPerNet.

    The config must say ``eps=1e-12`` for LayerNorms. Its ``out_indices`` are those of the
    original: transformers reads each level two blocks earlier than the number says.

    Args:
        state_dict: That of ``BeitForSemanticSegmentation`` with a bias table in each block.

    Raises:
        ConversionError: It is another architecture's.
    """
    mapped = _KEYMAP.apply(state_dict)
    tensors, rows = mapped.tensors, mapped.sizes["W"]
    side = (math.isqrt(max(rows - _EXTRA_ROWS, 0)) + 1) // 2
    index = _index(side, rows)
    for key in [key for key in tensors if key.endswith(".relative_position_bias_table")]:
        wanted = (2 * side - 1) ** 2 + _EXTRA_ROWS
        if wanted != rows:
            shape = tuple(tensors[key].shape)
            raise mismatch(_WHAT, misshaped=[Misshaped(key, shape, (wanted, None))])
        name = key.removesuffix("bias_table") + "index"
        if not tensors.setdefault(name, index.clone()).equal(index):
            raise mismatch(_WHAT, unexpected=[f"{name} with other values"])
    return tensors


def _index(side: int, rows: int) -> Tensor:
    """Return which row of a bias table two tokens use; the class token comes first.

    Source: Bao et al. 2021, arXiv:2106.08254, whose code has the three extra rows.
    """
    import torch

    index = torch.zeros((side**2 + 1, side**2 + 1), dtype=torch.int64)
    index[1:, 1:] = window_index(side)
    index[0, :] = rows - 3
    index[:, 0] = rows - 2
    index[0, 0] = rows - 1
    return index
