# SPDX-License-Identifier: Apache-2.0
"""Transformers of mmdet: mmdet 3.x names each part of a layer instead of listing operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_transformers"]

_PLAIN_ATTENTION = ("type", "init_cfg", "im2col_step", "norm_cfg")
_ORDERS = {
    "encoder": (("self_attn", "norm", "ffn", "norm"),),
    "decoder": (
        ("self_attn", "norm", "cross_attn", "norm", "ffn", "norm"),
        ("cross_attn", "norm", "self_attn", "norm", "ffn", "norm"),
    ),
}


def migrate_transformers(work: Work, model: dict[str, Any]) -> None:
    """Rewrite the transformers of a detector.

    Args:
        work: The migration.
        model: The model's new settings, changed in place.
    """
    kind = str(model.get("type"))
    if kind in ("Mask2Former", "MaskFormer"):
        _mask_former(work, model)
    elif kind in ("DETR", "DeformableDETR") and "transformer" in (model.get("bbox_head") or {}):
        _detr(work, model)
    elif "transformer" in (model.get("bbox_head") or {}):
        why = f"mmdet 3.x builds {kind} in another way, which is not carried"
        hint = "take the model of that name from mmdet 3.x, and your own numbers from the old one."
        work.ledger.lose("model.bbox_head.transformer", why, hint)


def _mask_former(work: Work, model: dict[str, Any]) -> None:
    head = model.get("panoptic_head")
    if not isinstance(head, dict):
        return
    is_masked = model["type"] == "Mask2Former"
    decoder = head.get("pixel_decoder")
    if isinstance(decoder, dict):
        if isinstance(decoder.get("encoder"), Mapping):
            place = "model.panoptic_head.pixel_decoder.encoder"
            decoder["encoder"] = _layers(work, decoder["encoder"], place, "encoder")
        _positions(decoder)
    if isinstance(head.get("transformer_decoder"), Mapping):
        place = "model.panoptic_head.transformer_decoder"
        made = _layers(work, head["transformer_decoder"], place, "decoder", masked=is_masked)
        head["transformer_decoder"] = made
    _positions(head)


def _positions(part: dict[str, Any]) -> None:
    """Leave out the type of a positional encoding: mmdet 3.x knows one."""
    positions = part.get("positional_encoding")
    if isinstance(positions, Mapping):
        part["positional_encoding"] = {k: v for k, v in positions.items() if k != "type"}


def _layers(
    work: Work, stack: Mapping[str, Any], place: str, part: str, *, masked: bool = False
) -> dict[str, Any]:
    """Return an encoder or decoder as mmdet 3.x states it."""
    if "layer_cfg" in stack:
        return dict(stack)
    rest = {key: value for key, value in stack.items() if key not in ("type", "transformerlayers")}
    layer = stack.get("transformerlayers", {})
    layer = dict(layer[0] if isinstance(layer, (list, tuple)) else layer)
    order = tuple(layer.pop("operation_order", _ORDERS[part][0]))
    wanted = _ORDERS[part][1 if masked else 0]
    if order != wanted:
        why = f"mmdet 3.x has one order of operations here, and this is {'-'.join(order)}"
        work.ledger.lose(f"{place}.operation_order", why, "port the layer as a class of your own.")
    made: dict[str, Any] = {}
    attentions = layer.pop("attn_cfgs", {})
    several = list(attentions) if isinstance(attentions, (list, tuple)) else [attentions] * 2
    roles = [name for name in order if name.endswith("attn")]
    for role, attention in zip(roles, several, strict=False):
        made[f"{role}_cfg"] = _attention(attention)
    made["ffn_cfg"] = _feed_forward(layer, made)
    if "norm_cfg" in layer:
        made["norm_cfg"] = layer.pop("norm_cfg")
    for name in ("type", "init_cfg", "batch_first"):
        layer.pop(name, None)
    work.leave(f"{place}.transformerlayers", layer)
    work.ledger.change(f"{place}.transformerlayers", "layer_cfg with a part for each operation")
    return {**rest, "layer_cfg": made}


def _attention(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attention's arguments; the batch comes first in mmdet 3.x."""
    made = {key: value for key, value in old.items() if key not in _PLAIN_ATTENTION}
    is_deformable = old.get("type") == "MultiScaleDeformableAttention"
    if not is_deformable:
        given = made.pop("attn_drop", 0.0), made.pop("proj_drop", 0.0)
        if "dropout" not in made:
            made["dropout"] = given[0]
        if given[1] and given[1] != made["dropout"]:
            made["proj_drop"] = given[1]
        made.pop("dropout_layer", None) if made.get("dropout_layer") is None else None
    elif "im2col_step" in old and old["im2col_step"] != 64:
        made["im2col_step"] = old["im2col_step"]
    made["batch_first"] = True
    return made


def _feed_forward(layer: dict[str, Any], attentions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the FFN; the oldest form states them beside the layer's own."""
    old = dict(layer.pop("ffn_cfgs", None) or {})
    for key in ("type", "dropout_layer", "add_identity", "init_cfg"):
        if key == "type" or old.get(key) in (None, True):
            old.pop(key, None)
    width, drop = layer.pop("feedforward_channels", None), layer.pop("ffn_dropout", None)
    fcs, act = layer.pop("ffn_num_fcs", None), layer.pop("act_cfg", None)
    stated = {"feedforward_channels": width, "ffn_drop": drop, "num_fcs": fcs, "act_cfg": act}
    old = {**{key: value for key, value in stated.items() if value is not None}, **old}
    first: Mapping[str, Any] = next(iter(attentions.values()), {})
    old.setdefault("embed_dims", first.get("embed_dims", 256))
    old.setdefault("feedforward_channels", 1024)
    return old


def _detr(work: Work, model: dict[str, Any]) -> None:
    """Lift the transformer, the projection and the queries from the head to the detector."""
    head = dict(model["bbox_head"])
    transformer = dict(head.pop("transformer"))
    if not {"encoder", "decoder"} <= transformer.keys():
        why = "it is stated as in mmdet 2.3 to 2.10, without its encoder and decoder"
        hint = "take the model of that name from mmdet 3.x, and your own numbers from the old one."
        work.ledger.lose("model.bbox_head.transformer", why, hint)
        return
    is_deformable = model["type"] == "DeformableDETR"
    place = "model.bbox_head.transformer"
    encoder = _layers(work, transformer.pop("encoder"), f"{place}.encoder", "encoder")
    decoder = _layers(work, transformer.pop("decoder"), f"{place}.decoder", "decoder")
    # The old head took its width from the transformer.
    width = encoder["layer_cfg"]["self_attn_cfg"].get("embed_dims", 256)
    if is_deformable:
        decoder["post_norm_cfg"] = None
    made = _queries(model, head, transformer, width)
    positions = head.pop("positional_encoding", {"num_feats": 128, "normalize": True})
    made |= {"encoder": encoder, "decoder": decoder}
    made["positional_encoding"] = {k: v for k, v in positions.items() if k != "type"}
    for gone in ("in_channels", "num_reg_fcs" if not is_deformable else "", "num_fcs"):
        head.pop(gone, None)
    for key in ("type", "two_stage_num_proposals", "as_two_stage", "init_cfg"):
        transformer.pop(key, None)
    work.leave(place, transformer)
    head.setdefault("embed_dims", width)
    model["bbox_head"] = head
    model |= made
    work.ledger.change(place, "model.encoder, model.decoder, model.num_queries")


def _queries(
    model: dict[str, Any], head: dict[str, Any], transformer: dict[str, Any], width: int
) -> dict[str, Any]:
    """Return what the detector itself states now: its queries, and DETR's projection."""
    is_deformable = model["type"] == "DeformableDETR"
    made: dict[str, Any] = {"num_queries": head.pop("num_query", 300 if is_deformable else 100)}
    if is_deformable:
        made["num_feature_levels"] = transformer.pop("num_feature_levels", 4)
        made["with_box_refine"] = bool(head.pop("with_box_refine", False))
        made["as_two_stage"] = bool(head.pop("as_two_stage", False))
    elif "neck" not in model:
        made["neck"] = _projection(head, width)
    return made


def _projection(head: Mapping[str, Any], width: int) -> dict[str, Any]:
    """Return the 1x1 projection that DETR's head had, as the neck of mmdet 3.x."""
    return {
        "type": "ChannelMapper",
        "in_channels": [head.get("in_channels", 2048)],
        "kernel_size": 1,
        "out_channels": width,
        "act_cfg": None,
        "norm_cfg": None,
        "num_outs": 1,
    }
