# SPDX-License-Identifier: Apache-2.0
"""``DPTForSemanticSegmentation`` with ViT as mmseg's VisionTransformer with DPTHead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import KeyMap

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert"]

_KEYS = """
dpt.embeddings.cls_token -> backbone.cls_token : 1 1 C
dpt.embeddings.position_embeddings -> backbone.pos_embed : 1 * C
dpt.embeddings.patch_embeddings.projection.weight -> backbone.patch_embed.projection.weight : C 3 * *
dpt.embeddings.patch_embeddings.projection.bias -> backbone.patch_embed.projection.bias : C
SRC.layernorm_{before,after}.{weight,bias} -> DST.ln{1,2}.{weight,bias} : C
SRC.attention.attention.{query,key,value}.weight -> DST.attn.attn.in_proj_weight@{0,1,2} : C C
SRC.attention.attention.{query,key,value}.bias -> DST.attn.attn.in_proj_bias@{0,1,2} : C
SRC.attention.output.dense.weight -> DST.attn.attn.out_proj.weight : C C
SRC.attention.output.dense.bias -> DST.attn.attn.out_proj.bias : C
SRC.intermediate.dense.weight -> DST.ffn.layers.0.0.weight : F C
SRC.intermediate.dense.bias -> DST.ffn.layers.0.0.bias : F
SRC.output.dense.weight -> DST.ffn.layers.1.weight : C F
SRC.output.dense.bias -> DST.ffn.layers.1.bias : C
REA.readout_projects.{n}.0.weight -> OUT.reassemble_blocks.readout_projects.{n}.0.weight : C 2*C
REA.readout_projects.{n}.0.bias -> OUT.reassemble_blocks.readout_projects.{n}.0.bias : C
REA.layers.{n}.projection.weight -> OUT.reassemble_blocks.projects.{n}.conv.weight : N{n} C 1 1
REA.layers.{n}.projection.bias -> OUT.reassemble_blocks.projects.{n}.conv.bias : N{n}
REA.layers.{0,1,3}.resize.weight -> OUT.reassemble_blocks.resize_layers.{0,1,3}.weight : N{0,1,3} N{0,1,3} * *
REA.layers.{0,1,3}.resize.bias -> OUT.reassemble_blocks.resize_layers.{0,1,3}.bias : N{0,1,3}
neck.convs.{n}.weight -> OUT.convs.{n}.conv.weight : D N{n} 3 3
# The coarsest level has nothing to fuse with: both libraries leave this unit unused.
FUS.0.residual_layer1.convolution{1,2}.weight -> - : D D 3 3
FUS.0.residual_layer1.batch_norm{1,2}.{weight,bias,running_mean,running_var} -> - : D
FUS.0.residual_layer1.batch_norm{1,2}.num_batches_tracked -> - :
FUS.{1,2,3}.residual_layer1.convolution{1,2}.weight -> FUO.{1,2,3}.res_conv_unit1.conv{1,2}.conv.weight : D D 3 3
FUS.{1,2,3}.residual_layer1.batch_norm{1,2}.BN -> FUO.{1,2,3}.res_conv_unit1.conv{1,2}.bn.BN : D
FUS.{1,2,3}.residual_layer1.batch_norm{1,2}.num_batches_tracked -> FUO.{1,2,3}.res_conv_unit1.conv{1,2}.bn.num_batches_tracked :
FUS.{n}.residual_layer2.convolution{1,2}.weight -> FUO.{n}.res_conv_unit2.conv{1,2}.conv.weight : D D 3 3
FUS.{n}.residual_layer2.batch_norm{1,2}.BN -> FUO.{n}.res_conv_unit2.conv{1,2}.bn.BN : D
FUS.{n}.residual_layer2.batch_norm{1,2}.num_batches_tracked -> FUO.{n}.res_conv_unit2.conv{1,2}.bn.num_batches_tracked :
FUS.{n}.projection.weight -> FUO.{n}.project.conv.weight : D D 1 1
FUS.{n}.projection.bias -> FUO.{n}.project.conv.bias : D
head.head.0.weight -> OUT.project.conv.weight : D D 3 3
head.head.1.BN -> OUT.project.bn.BN : D
head.head.1.num_batches_tracked -> OUT.project.bn.num_batches_tracked :
head.head.4.weight -> OUT.conv_seg.weight : K D 1 1
head.head.4.bias -> OUT.conv_seg.bias : K
# The last norm comes after the blocks that the head reads; the auxiliary head serves training.
dpt.layernorm.{weight,bias} -> - : C
? auxiliary_head.head.0.weight -> - : D D 3 3
? auxiliary_head.head.1.{weight,bias,running_mean,running_var} -> - : D
? auxiliary_head.head.1.num_batches_tracked -> - :
? auxiliary_head.head.4.weight -> - : K D 1 1
? auxiliary_head.head.4.bias -> - : K
"""  # noqa: E501
_SHORT = {
    "SRC.": "dpt.encoder.layer.{b}.",
    "DST.": "backbone.layers.{b}.",
    "REA.": "neck.reassemble_stage.",
    "FUS.": "neck.fusion_stage.layers.",
    "FUO.": "decode_head.fusion_blocks.",
    "OUT.": "decode_head.",
    ".BN": ".{weight,bias,running_mean,running_var}",
}


def _keymap() -> KeyMap:
    table = _KEYS
    for short, whole in _SHORT.items():
        table = table.replace(short, whole)
    return KeyMap("DPT with ViT", table)


_KEYMAP = _keymap()


def convert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's DPT.

    The config must say ``patch_bias=True``, ``interpolate_mode="bilinear"`` and LayerNorms with
    ``eps=1e-12`` in the backbone, and ``align_corners=True`` in the head.

    Args:
        state_dict: That of ``DPTForSemanticSegmentation`` with ``readout_type="project"``.

    Raises:
        ConversionError: It is another architecture's.
    """
    return _KEYMAP.apply(state_dict).tensors
