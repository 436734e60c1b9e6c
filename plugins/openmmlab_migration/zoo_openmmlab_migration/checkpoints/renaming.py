# SPDX-License-Identifier: Apache-2.0
"""Which names changed between the generations, by architecture; everything else kept its name.

A state dict says by its own names which architecture it is. Modules of mmseg 0.x and mmdet 2.x
that are not listed here have the same names in mmseg 1.x and mmdet 3.x.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion import swin_merging
from zoo.errors import ConversionError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Renamed", "rename_weights"]

_LAYER = r"\.layers\.(\d+)\."
_PATCH = ("downsample.reduction.weight", "downsample.norm.weight", "downsample.norm.bias")


@dataclass(frozen=True, slots=True)
class Renamed:
    """Weights under new names.

    Attributes:
        weights: Name -> tensor.
        names: Old name -> new name, for names that changed; None for a buffer left out.
        architectures: What was recognized, for people.
    """

    weights: dict[str, Tensor]
    names: dict[str, str | None]
    architectures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Family:
    """An architecture: how it is recognized, and its new names in order."""

    title: str
    is_it: Callable[[frozenset[str]], bool]
    rules: tuple[tuple[str, str | None], ...]


def _begins(names: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)


def _is_masked(names: frozenset[str]) -> bool:
    return "panoptic_head.level_embed.weight" in names and _has_old_layers(names, "panoptic_head.")


def _is_mask_former(names: frozenset[str]) -> bool:
    return (
        "panoptic_head.query_embed.weight" in names
        and not _is_masked(names)
        and (_has_old_layers(names, "panoptic_head."))
    )


def _has_old_layers(names: frozenset[str], prefix: str) -> bool:
    return any(name.startswith(prefix) and ".attentions." in name for name in names)


def _is_rpn(names: frozenset[str]) -> bool:
    heads = ("roi_head.", "bbox_head.", "mask_head.")
    return _begins(names, "rpn_head.") and not _begins(names, *heads)


def _is_original_swin(names: frozenset[str]) -> bool:
    return "backbone.layers.0.blocks.0.attn.qkv.weight" in names


def _is_deformable(names: frozenset[str]) -> bool:
    return "bbox_head.transformer.level_embeds" in names


def _is_detr(names: frozenset[str]) -> bool:
    has_layers = _begins(names, "bbox_head.transformer.encoder.layers.")
    return has_layers and not _is_deformable(names)


def _layers(
    old: str, new: str, *, first: str = "self", second: str = "cross"
) -> tuple[tuple[str, str | None], ...]:
    """Return the rules of a stack of transformer layers."""
    head = re.escape(old) + _LAYER
    start = rf"{new}.layers.\1."
    return (
        (head + r"(?:attentions\.0|self_attn)\.(.+)", rf"{start}{first}_attn.\2"),
        (head + r"(?:attentions\.1|multihead_attn)\.(.+)", rf"{start}{second}_attn.\2"),
        (head + r"(?:ffns\.0|ffn)\.(.+)", rf"{start}ffn.\2"),
        (re.escape(old) + r"\.norm\.(.+)", rf"{new}.post_norm.\1"),
        (re.escape(old) + r"\.(.+)", rf"{new}.\1"),
    )


_HEAD = "bbox_head.transformer"
_PANOPTIC = "panoptic_head"
_SWIN = r"backbone\.layers\.(\d+)\.blocks\.(\d+)"
_BLOCK = r"backbone.stages.\1.blocks.\2"

_FAMILIES = (
    _Family(
        "Mask2Former of mmdet 2.x",
        _is_masked,
        (
            *_layers(f"{_PANOPTIC}.pixel_decoder.encoder", f"{_PANOPTIC}.pixel_decoder.encoder"),
            *_layers(
                f"{_PANOPTIC}.transformer_decoder",
                f"{_PANOPTIC}.transformer_decoder",
                first="cross",
                second="self",
            ),
        ),
    ),
    _Family(
        "MaskFormer of mmdet 2.x",
        _is_mask_former,
        (
            *_layers(f"{_PANOPTIC}.pixel_decoder.encoder", f"{_PANOPTIC}.pixel_decoder.encoder"),
            *_layers(f"{_PANOPTIC}.transformer_decoder", f"{_PANOPTIC}.transformer_decoder"),
        ),
    ),
    _Family(
        "Deformable DETR of mmdet 2.x",
        _is_deformable,
        (
            (r"bbox_head\.transformer\.level_embeds", "level_embed"),
            (r"bbox_head\.transformer\.reference_points\.(.+)", r"reference_points_fc.\1"),
            (r"bbox_head\.transformer\.enc_output\.(.+)", r"memory_trans_fc.\1"),
            (r"bbox_head\.transformer\.enc_output_norm\.(.+)", r"memory_trans_norm.\1"),
            (r"bbox_head\.transformer\.pos_trans\.(.+)", r"pos_trans_fc.\1"),
            (r"bbox_head\.transformer\.pos_trans_norm\.(.+)", r"pos_trans_norm.\1"),
            (r"bbox_head\.query_embedding\.(.+)", r"query_embedding.\1"),
            *_layers(f"{_HEAD}.encoder", "encoder"),
            *_layers(f"{_HEAD}.decoder", "decoder"),
        ),
    ),
    _Family(
        "DETR of mmdet 2.x",
        _is_detr,
        (
            (r"bbox_head\.input_proj\.(.+)", r"neck.convs.0.conv.\1"),
            (r"bbox_head\.query_embedding\.(.+)", r"query_embedding.\1"),
            *_layers(f"{_HEAD}.encoder", "encoder"),
            *_layers(f"{_HEAD}.decoder", "decoder"),
        ),
    ),
    _Family("RPN of mmdet 2.x", _is_rpn, ((r"rpn_head\.(.+)", r"bbox_head.\1"),)),
    _Family(
        "YOLACT of mmdet 2.x",
        lambda names: _begins(names, "segm_head.segm_conv."),
        ((r"segm_head\.segm_conv\.(.+)", r"mask_head.segm_branch.segm_conv.\1"),),
    ),
    _Family(
        "Swin Transformer of the original repositories",
        _is_original_swin,
        (
            (r"backbone\.patch_embed\.proj\.(.+)", r"backbone.patch_embed.projection.\1"),
            (_SWIN + r"\.attn_mask", None),  # a buffer, computed from the image's size
            (_SWIN + r"\.attn\.(.+)", rf"{_BLOCK}.attn.w_msa.\3"),
            (_SWIN + r"\.mlp\.fc1\.(.+)", rf"{_BLOCK}.ffn.layers.0.0.\3"),
            (_SWIN + r"\.mlp\.fc2\.(.+)", rf"{_BLOCK}.ffn.layers.1.\3"),
            (_SWIN + r"\.(norm[12]\..+)", rf"{_BLOCK}.\3"),
            (r"backbone\.layers\.(\d+)\.(downsample\..+)", r"backbone.stages.\1.\2"),
        ),
    ),
)


def rename_weights(state_dict: Mapping[str, Tensor]) -> Renamed:
    """Return weights under the names of mmseg 1.x and mmdet 3.x.

    Args:
        state_dict: Of mmseg 0.x, mmdet 2.x, or a repository on top of them.

    Returns:
        The weights in their order. Values are equal, but for the patch merging of the original
        Swin, whose channels are permuted.

    Raises:
        ConversionError: Two names would become one.
    """
    found = [family for family in _FAMILIES if family.is_it(frozenset(state_dict))]
    rules = [(re.compile(old), new) for family in found for old, new in family.rules]
    merges = any(family.is_it is _is_original_swin for family in found)
    weights: dict[str, Tensor] = {}
    names: dict[str, str | None] = {}
    for name, value in state_dict.items():
        new = _new_name(name, rules)
        if new != name:
            names[name] = new
        if new is None:
            continue
        if new in weights:
            message = f"cannot rename {name!r}: another weight is called {new!r} already."
            raise ConversionError(message, hint="give a checkpoint of one model.")
        weights[new] = swin_merging(value) if merges and name.endswith(_PATCH) else value
    return Renamed(weights, names, tuple(family.title for family in found))


def _new_name(name: str, rules: list[tuple[re.Pattern[str], str | None]]) -> str | None:
    for pattern, new in rules:
        match = pattern.fullmatch(name)
        if match is not None:
            return None if new is None else match.expand(new)
    return name
