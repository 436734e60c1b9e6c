# SPDX-License-Identifier: Apache-2.0
"""Swin backbones: transformers' ``SwinBackbone`` as ``SwinTransformer`` of mmseg and mmdet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.conversion import Mapped, Misshaped, mismatch, swin_merging, window_index

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["finish_swin", "swin_table"]

_BLOCK = "encoder.layers.{i}.blocks.{b}"
_TABLE = f"""
SRCembeddings.patch_embeddings.projection.weight -> DSTpatch_embed.projection.weight : C0 3 * *
SRCembeddings.patch_embeddings.projection.bias -> DSTpatch_embed.projection.bias : C0
SRCembeddings.norm.{{weight,bias}} -> DSTpatch_embed.norm.{{weight,bias}} : C0
SRC{_BLOCK}.layernorm_{{before,after}}.{{weight,bias}} -> BLOCKnorm{{1,2}}.{{weight,bias}} : C{{i}}
SRC{_BLOCK}.attention.self.relative_position_bias_table -> BLOCKattn.w_msa.relative_position_bias_table : W H{{i}}
? SRC{_BLOCK}.attention.self.relative_position_index -> BLOCKattn.w_msa.relative_position_index : P P
SRC{_BLOCK}.attention.self.{{query,key,value}}.weight -> BLOCKattn.w_msa.qkv.weight@{{0,1,2}} : C{{i}} C{{i}}
SRC{_BLOCK}.attention.self.{{query,key,value}}.bias -> BLOCKattn.w_msa.qkv.bias@{{0,1,2}} : C{{i}}
SRC{_BLOCK}.attention.output.dense.weight -> BLOCKattn.w_msa.proj.weight : C{{i}} C{{i}}
SRC{_BLOCK}.attention.output.dense.bias -> BLOCKattn.w_msa.proj.bias : C{{i}}
SRC{_BLOCK}.intermediate.dense.weight -> BLOCKffn.layers.0.0.weight : F{{i}} C{{i}}
SRC{_BLOCK}.intermediate.dense.bias -> BLOCKffn.layers.0.0.bias : F{{i}}
SRC{_BLOCK}.output.dense.weight -> BLOCKffn.layers.1.weight : C{{i}} F{{i}}
SRC{_BLOCK}.output.dense.bias -> BLOCKffn.layers.1.bias : C{{i}}
SRCencoder.layers.{{d}}.downsample.norm.{{weight,bias}} -> DSTstages.{{d}}.downsample.norm.{{weight,bias}} : 4*C{{d}}
SRCencoder.layers.{{d}}.downsample.reduction.weight -> DSTstages.{{d}}.downsample.reduction.weight : 2*C{{d}} 4*C{{d}}
SRChidden_states_norms.stage{{1,2,3,4}}.{{weight,bias}} -> DSTnorm{{0,1,2,3}}.{{weight,bias}} : C{{0,1,2,3}}
""".replace("BLOCK", "DSTstages.{i}.blocks.{b}.")  # noqa: E501


def swin_table(source: str, target: str) -> str:
    """Return the lines of a Swin backbone with four stages for a `zoo.conversion.KeyMap`.

    Args:
        source: Prefix of the backbone's keys in the file.
        target: Prefix in the OpenMMLab model.
    """
    return _TABLE.replace("SRC", source).replace("DST", target)


def finish_swin(mapped: Mapped, target: str, what: str) -> dict[str, Tensor]:
    """Return the tensors with the patch merging permuted and an index for every bias table.

    Args:
        mapped: A state dict under its new keys.
        target: Prefix of the backbone.
        what: Name of the architecture, for messages.

    Raises:
        ConversionError: A bias table is not that of a square window, or an index is another one.
    """
    tensors = dict(mapped.tensors)
    for key in [key for key in tensors if key.startswith(target) and ".downsample." in key]:
        tensors[key] = swin_merging(tensors[key])
    rows = mapped.sizes["W"]
    window = (math.isqrt(rows) + 1) // 2
    index = window_index(window)
    for key in [key for key in tensors if key.endswith(".relative_position_bias_table")]:
        if (2 * window - 1) ** 2 != rows:
            shape = tuple(tensors[key].shape)
            raise mismatch(what, misshaped=[Misshaped(key, shape, ((2 * window - 1) ** 2, None))])
        name = key.removesuffix("bias_table") + "index"
        if not tensors.setdefault(name, index.clone()).equal(index):
            raise mismatch(what, unexpected=[f"{name} with other values"])
    return tensors
