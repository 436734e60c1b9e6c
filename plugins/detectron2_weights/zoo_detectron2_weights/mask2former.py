# SPDX-License-Identifier: Apache-2.0
"""The original Mask2Former with a ResNet, for mmdet (instances) and mmseg (classes)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.conversion import Entry, convert_by_table
from zoo_detectron2_weights.resnet import ResNet, conv_entries, norm_entries

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Mask2Former",
    "mask2former_r50_ade20k",
    "mask2former_r50_ade20k_instance",
    "mask2former_r50_cityscapes",
    "mask2former_r50_cityscapes_instance",
    "mask2former_r50_coco_instance",
    "mask2former_r101_ade20k",
    "mask2former_r101_cityscapes",
    "mask2former_r101_cityscapes_instance",
    "mask2former_r101_coco_instance",
]

_DROPPED = (r"pixel_(mean|std)", r"criterion\.empty_weight")
_HEAD = "sem_seg_head."
_SIZE = 256
_QUERIES = 100
_LEVELS = 3  # of the transformers: strides 32, 16 and 8
_SAMPLES = 8 * _LEVELS * 4  # heads, levels, points


@dataclass(frozen=True, slots=True)
class Mask2Former:
    """A converter of one architecture; it refuses the tensors of every other.

    Attributes:
        what: Name of the architecture, for messages.
        classes: Number of classes without "no object".
        head: Key of the head in the model: ``panoptic_head`` of mmdet or ``decode_head`` of mmseg.
        resnet: The backbone.
    """

    what: str
    classes: int
    head: str
    resnet: ResNet = field(default_factory=ResNet)

    def __call__(self, state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
        """Return the tensors of the model.

        Args:
            state_dict: Name -> tensor of the original, under its present or its first names.

        Raises:
            ConversionError: The tensors are those of another architecture.
        """
        present = {_present_name(key): tensor for key, tensor in state_dict.items()}
        return convert_by_table(present, self.entries(), what=self.what, dropped=_DROPPED)

    def entries(self) -> Iterator[Entry]:
        """Yield every tensor of the model."""
        yield from self.resnet.stem("backbone.", "backbone.")
        yield from self.resnet.stages("backbone.", "backbone.")
        yield from _pixel_decoder(f"{_HEAD}pixel_decoder.", f"{self.head}.pixel_decoder.")
        for layer in range(9):
            yield from _decoder_layer(f"{_HEAD}predictor.transformer_", self.head, layer)
        yield from self._predictor(f"{_HEAD}predictor.", f"{self.head}.")

    def _predictor(self, source: str, target: str) -> Iterator[Entry]:
        yield from _norm(f"{source}decoder_norm", f"{target}transformer_decoder.post_norm")
        for name, rows in (
            ("query_feat", _QUERIES),
            ("query_embed", _QUERIES),
            ("level_embed", _LEVELS),
        ):
            yield Entry(f"{source}{name}.weight", f"{target}{name}.weight", (rows, _SIZE))
        shape = (self.classes + 1, _SIZE)
        yield from conv_entries(f"{source}class_embed", f"{target}cls_embed", shape)
        for layer in range(3):
            old, new = f"{source}mask_embed.layers.{layer}", f"{target}mask_embed.{2 * layer}"
            yield from conv_entries(old, new, (_SIZE, _SIZE))


def _present_name(key: str) -> str:
    """Return the name since version 2, which the original's own loader also restores."""
    rest = key.removeprefix(_HEAD)
    if rest != key and not rest.startswith(("pixel_decoder.", "predictor.")):
        key = f"{_HEAD}pixel_decoder.{rest}"
    return key.replace("static_query", "query_feat")


def _pixel_decoder(source: str, target: str) -> Iterator[Entry]:
    for level, channels in enumerate((2048, 1024, 512)):
        old, new = f"{source}input_proj.{level}", f"{target}input_convs.{level}"
        yield from conv_entries(f"{old}.0", f"{new}.conv", (_SIZE, channels, 1, 1))
        yield from _norm(f"{old}.1", f"{new}.gn")
    levels = f"{source}transformer.level_embed"
    yield Entry(levels, f"{target}level_encoding.weight", (_LEVELS, _SIZE))
    for layer in range(6):
        part = f"encoder.layers.{layer}."
        yield from _encoder_layer(f"{source}transformer.{part}", f"{target}{part}")
    for old, new, side in (("adapter_1", "lateral_convs.0", 1), ("layer_1", "output_convs.0", 3)):
        shape = (_SIZE, _SIZE, side, side)
        yield Entry(f"{source}{old}.weight", f"{target}{new}.conv.weight", shape)
        yield from _norm(f"{source}{old}.norm", f"{target}{new}.gn")
    yield from conv_entries(f"{source}mask_features", f"{target}mask_feature", (_SIZE, _SIZE, 1, 1))


def _encoder_layer(source: str, target: str) -> Iterator[Entry]:
    for name, rows in (
        ("sampling_offsets", 2 * _SAMPLES),
        ("attention_weights", _SAMPLES),
        ("value_proj", _SIZE),
        ("output_proj", _SIZE),
    ):
        key = f"self_attn.{name}"
        yield from conv_entries(f"{source}{key}", f"{target}{key}", (rows, _SIZE))
    yield from _norm(f"{source}norm1", f"{target}norms.0")
    yield from _ffn(source, target, 1024)
    yield from _norm(f"{source}norm2", f"{target}norms.1")


def _decoder_layer(source: str, head: str, layer: int) -> Iterator[Entry]:
    target = f"{head}.transformer_decoder.layers.{layer}."
    for number, (old, inner, new) in enumerate(
        (
            ("cross_attention", "multihead_attn", "cross_attn"),
            ("self_attention", "self_attn", "self_attn"),
        )
    ):
        at = f"{source}{old}_layers.{layer}."
        for part, shape in (
            ("in_proj_weight", (3 * _SIZE, _SIZE)),
            ("in_proj_bias", (3 * _SIZE,)),
            ("out_proj.weight", (_SIZE, _SIZE)),
            ("out_proj.bias", (_SIZE,)),
        ):
            yield Entry(f"{at}{inner}.{part}", f"{target}{new}.attn.{part}", shape)
        yield from _norm(f"{at}norm", f"{target}norms.{number}")
    at = f"{source}ffn_layers.{layer}."
    yield from _ffn(at, target, 2048)
    yield from _norm(f"{at}norm", f"{target}norms.2")


def _ffn(source: str, target: str, hidden: int) -> Iterator[Entry]:
    yield from conv_entries(f"{source}linear1", f"{target}ffn.layers.0.0", (hidden, _SIZE))
    yield from conv_entries(f"{source}linear2", f"{target}ffn.layers.1", (_SIZE, hidden))


def _norm(source: str, target: str) -> Iterator[Entry]:
    """Yield weight and bias of a group or layer norm."""
    yield from norm_entries("gn", source, target, _SIZE)


_R101 = ResNet(101)


def _converter(classes: int, head: str, resnet: ResNet | None = None) -> Mask2Former:
    resnet = resnet or ResNet()
    what = f"Mask2Former R{resnet.depth} with {classes} classes"
    return Mask2Former(what, classes, head, resnet)


mask2former_r50_coco_instance = _converter(80, "panoptic_head")
mask2former_r101_coco_instance = _converter(80, "panoptic_head", _R101)
mask2former_r50_cityscapes_instance = _converter(8, "panoptic_head")
mask2former_r101_cityscapes_instance = _converter(8, "panoptic_head", _R101)
mask2former_r50_ade20k_instance = _converter(100, "panoptic_head")
mask2former_r50_cityscapes = _converter(19, "decode_head")
mask2former_r101_cityscapes = _converter(19, "decode_head", _R101)
mask2former_r50_ade20k = _converter(150, "decode_head")
mask2former_r101_ade20k = _converter(150, "decode_head", _R101)
