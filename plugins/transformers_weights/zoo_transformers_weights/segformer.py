# SPDX-License-Identifier: Apache-2.0
"""``SegformerForSemanticSegmentation`` as mmseg's MixVisionTransformer with SegformerHead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import KeyMap

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

_EPS = 1e-5
"""Of a batch norm in the head."""

_KEYS = """
ENC.patch_embeddings.{s}.proj.weight -> backbone.layers.{s}.0.projection.weight : C{s} * * *
ENC.patch_embeddings.{s}.proj.bias -> backbone.layers.{s}.0.projection.bias : C{s}
ENC.patch_embeddings.{s}.layer_norm.{weight,bias} -> backbone.layers.{s}.0.norm.{weight,bias} : C{s}
ENC.layer_norm.{s}.{weight,bias} -> backbone.layers.{s}.2.{weight,bias} : C{s}
SRC.layer_norm_{1,2}.{weight,bias} -> DST.norm{1,2}.{weight,bias} : C{s}
SRC.attention.self.{query,key,value}.weight -> DST.attn.attn.in_proj_weight@{0,1,2} : C{s} C{s}
SRC.attention.self.{query,key,value}.bias -> DST.attn.attn.in_proj_bias@{0,1,2} : C{s}
SRC.attention.output.dense.weight -> DST.attn.attn.out_proj.weight : C{s} C{s}
SRC.attention.output.dense.bias -> DST.attn.attn.out_proj.bias : C{s}
? SRC.attention.self.sr.weight -> DST.attn.sr.weight : C{s} C{s} * *
? SRC.attention.self.sr.bias -> DST.attn.sr.bias : C{s}
? SRC.attention.self.layer_norm.{weight,bias} -> DST.attn.norm.{weight,bias} : C{s}
SRC.mlp.dense1.weight -> DST.ffn.layers.0.weight : F{s} C{s}
SRC.mlp.dense1.bias -> DST.ffn.layers.0.bias : F{s}
SRC.mlp.dwconv.dwconv.weight -> DST.ffn.layers.1.weight : F{s} 1 3 3
SRC.mlp.dwconv.dwconv.bias -> DST.ffn.layers.1.bias : F{s}
SRC.mlp.dense2.weight -> DST.ffn.layers.4.weight : C{s} F{s}
SRC.mlp.dense2.bias -> DST.ffn.layers.4.bias : C{s}
decode_head.linear_c.{s}.proj.weight -> decode_head.convs.{s}.conv.weight : D C{s}
decode_head.linear_c.{s}.proj.bias -> decode_head.convs.{s}.bn.bias : D
decode_head.linear_fuse.weight -> decode_head.fusion_conv.conv.weight : D 4*D 1 1
decode_head.batch_norm.{weight,bias,running_mean,running_var} -> BN.{weight,bias,running_mean,running_var} : D
decode_head.batch_norm.num_batches_tracked -> BN.num_batches_tracked :
decode_head.classifier.weight -> decode_head.conv_seg.weight : K D 1 1
decode_head.classifier.bias -> decode_head.conv_seg.bias : K
"""  # noqa: E501
_KEYMAP = KeyMap(
    "SegFormer",
    _KEYS.replace("SRC.", "ENC.block.{s}.{b}.")
    .replace("DST.", "backbone.layers.{s}.1.{b}.")
    .replace("ENC.", "segformer.encoder.")
    .replace("BN.", "decode_head.fusion_conv.bn."),
)


def convert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's SegFormer.

    The config must say ``act_cfg=None`` in the head, whose level projections have no ReLU, and
    LayerNorms with ``eps=1e-5``. A level's Linear with bias becomes a convolution without and a
    batch norm that adds it. The deepest level comes first in the file, last in mmseg.

    Args:
        state_dict: That of ``SegformerForSemanticSegmentation``.

    Raises:
        ConversionError: It is another architecture's.
    """
    import torch

    mapped = _KEYMAP.apply(state_dict)
    tensors, width = mapped.tensors, mapped.sizes["D"]
    for key in list(tensors):
        is_linear = key.endswith((".ffn.layers.0.weight", ".ffn.layers.4.weight"))
        if is_linear or (".convs." in key and key.endswith(".conv.weight")):
            tensors[key] = tensors[key][:, :, None, None]
    for bias in [key for key in tensors if ".convs." in key and key.endswith(".bn.bias")]:
        norm = bias.removesuffix("bias")
        one = torch.ones(width, dtype=tensors[bias].dtype)
        tensors[f"{norm}weight"] = one
        tensors[f"{norm}running_mean"] = torch.zeros_like(one)
        tensors[f"{norm}running_var"] = one - _EPS
        tensors[f"{norm}num_batches_tracked"] = torch.tensor(0)
    fusion = "decode_head.fusion_conv.conv.weight"
    tensors[fusion] = torch.cat(tensors[fusion].split(width, dim=1)[::-1], dim=1)
    return tensors
