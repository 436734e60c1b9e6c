# SPDX-License-Identifier: Apache-2.0
"""``Mask2FormerForUniversalSegmentation`` with Swin, for mmdet (instances) and mmseg (classes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import KeyMap
from zoo_transformers_weights.swin import finish_swin, swin_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convert_instance", "convert_semantic"]

_WHAT = "Mask2Former with Swin"
_KEYS = """
PIX.level_embed -> pixel_decoder.level_encoding.weight : L E
PIX.input_projections.{l}.0.weight -> pixel_decoder.input_convs.{l}.conv.weight : E * 1 1
PIX.input_projections.{l}.0.bias -> pixel_decoder.input_convs.{l}.conv.bias : E
PIX.input_projections.{l}.1.{weight,bias} -> pixel_decoder.input_convs.{l}.gn.{weight,bias} : E
PIX.{adapter,layer}_1.0.weight -> pixel_decoder.{lateral,output}_convs.0.conv.weight : E * * *
PIX.{adapter,layer}_1.1.{weight,bias} -> pixel_decoder.{lateral,output}_convs.0.gn.{weight,bias} : E
PIX.mask_projection.weight -> pixel_decoder.mask_feature.weight : M E 1 1
PIX.mask_projection.bias -> pixel_decoder.mask_feature.bias : M
PIX.ENC.self_attn.sampling_offsets.weight -> pixel_decoder.ENC.self_attn.sampling_offsets.weight : S E
PIX.ENC.self_attn.sampling_offsets.bias -> pixel_decoder.ENC.self_attn.sampling_offsets.bias : S
PIX.ENC.self_attn.attention_weights.weight -> pixel_decoder.ENC.self_attn.attention_weights.weight : T E
PIX.ENC.self_attn.attention_weights.bias -> pixel_decoder.ENC.self_attn.attention_weights.bias : T
PIX.ENC.self_attn.{value,output}_proj.weight -> pixel_decoder.ENC.self_attn.{value,output}_proj.weight : E E
PIX.ENC.self_attn.{value,output}_proj.bias -> pixel_decoder.ENC.self_attn.{value,output}_proj.bias : E
PIX.ENC.{self_attn,final}_layer_norm.{weight,bias} -> pixel_decoder.ENC.norms.{0,1}.{weight,bias} : E
PIX.ENC.fc1.weight -> pixel_decoder.ENC.ffn.layers.0.0.weight : F E
PIX.ENC.fc1.bias -> pixel_decoder.ENC.ffn.layers.0.0.bias : F
PIX.ENC.fc2.weight -> pixel_decoder.ENC.ffn.layers.1.weight : E F
PIX.ENC.fc2.bias -> pixel_decoder.ENC.ffn.layers.1.bias : E
TRA.queries_embedder.weight -> query_embed.weight : Q E
TRA.queries_features.weight -> query_feat.weight : Q E
TRA.level_embed.weight -> level_embed.weight : L E
TRA.DEC.self_attn.{q,k,v}_proj.weight -> OUT.self_attn.attn.in_proj_weight@{0,1,2} : E E
TRA.DEC.self_attn.{q,k,v}_proj.bias -> OUT.self_attn.attn.in_proj_bias@{0,1,2} : E
TRA.DEC.cross_attn.in_proj_weight -> OUT.cross_attn.attn.in_proj_weight : 3*E E
TRA.DEC.cross_attn.in_proj_bias -> OUT.cross_attn.attn.in_proj_bias : 3*E
TRA.DEC.{self,cross}_attn.out_proj.weight -> OUT.{self,cross}_attn.attn.out_proj.weight : E E
TRA.DEC.{self,cross}_attn.out_proj.bias -> OUT.{self,cross}_attn.attn.out_proj.bias : E
TRA.DEC.{cross_attn,self_attn,final}_layer_norm.{weight,bias} -> OUT.norms.{0,1,2}.{weight,bias} : E
TRA.DEC.fc1.weight -> OUT.ffn.layers.0.0.weight : G E
TRA.DEC.fc1.bias -> OUT.ffn.layers.0.0.bias : G
TRA.DEC.fc2.weight -> OUT.ffn.layers.1.weight : E G
TRA.DEC.fc2.bias -> OUT.ffn.layers.1.bias : E
TRA.decoder.layernorm.{weight,bias} -> transformer_decoder.post_norm.{weight,bias} : E
TRA.decoder.mask_predictor.mask_embedder.{0,1,2}.0.weight -> mask_embed.{0,2,4}.weight : * E
TRA.decoder.mask_predictor.mask_embedder.{0,1,2}.0.bias -> mask_embed.{0,2,4}.bias : *
class_predictor.weight -> cls_embed.weight : K E
class_predictor.bias -> cls_embed.bias : K
# The weights of the classes in the loss.
? criterion.empty_weight -> - : K
"""  # noqa: E501
_SHORT = {
    "PIX.": "model.pixel_level_module.decoder.",
    "TRA.": "model.transformer_module.",
    "ENC.": "encoder.layers.{e}.",
    "DEC.": "decoder.layers.{t}.",
    "OUT.": "transformer_decoder.layers.{t}.",
}


def _keymap(head: str) -> KeyMap:
    table = _KEYS.replace("-> ", f"-> {head}").replace(f"-> {head}-", "-> -")
    for short, whole in _SHORT.items():
        table = table.replace(short, whole)
    return KeyMap(_WHAT, swin_table("model.pixel_level_module.encoder.", "backbone.") + table)


_INSTANCE = _keymap("panoptic_head.")
_SEMANTIC = _keymap("decode_head.")


def convert_instance(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmdet's ``Mask2Former``.

    Args:
        state_dict: That of ``Mask2FormerForUniversalSegmentation`` with a Swin backbone.

    Raises:
        ConversionError: It is another architecture's.
    """
    return finish_swin(_INSTANCE.apply(state_dict), "backbone.", _WHAT)


def convert_semantic(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of mmseg's ``EncoderDecoder`` with ``Mask2FormerHead``.

    Args:
        state_dict: That of ``Mask2FormerForUniversalSegmentation`` with a Swin backbone.

    Raises:
        ConversionError: It is another architecture's.
    """
    return finish_swin(_SEMANTIC.apply(state_dict), "backbone.", _WHAT)
