# SPDX-License-Identifier: Apache-2.0
"""detectron2's Mask R-CNN for mmdet's ``MaskRCNN``, in three forms: FPN, C4 and dilated C5.

Both libraries have the same layers in the same order, classes in the order of their ids, and the
background last; so every tensor is taken as it is, under another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.conversion import Entry, convert_by_table
from zoo_detectron2_weights.resnet import ResNet, conv_entries, norm_entries

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MaskRCNN",
    "mask_rcnn_r50_c4",
    "mask_rcnn_r50_dc5",
    "mask_rcnn_r50_fpn",
    "mask_rcnn_r50_fpn_cityscapes",
    "mask_rcnn_r50_fpn_gn",
    "mask_rcnn_r50_fpn_lvis",
    "mask_rcnn_r50_fpn_syncbn",
    "mask_rcnn_r101_c4",
    "mask_rcnn_r101_dc5",
    "mask_rcnn_r101_fpn",
    "mask_rcnn_r101_fpn_lvis",
    "mask_rcnn_x101_fpn",
    "mask_rcnn_x101_fpn_lvis",
]

# What old files have and the model makes itself.
_DROPPED = (r"pixel_(mean|std)", r"(proposal_generator\.)?anchor_generator\.cell_anchors\.\d+")
_FPN_CHANNELS = 256
_RES5_CHANNELS = 2048
_BOX_FEATURES = 1024
_MASK_CHANNELS = 256


@dataclass(frozen=True, slots=True)
class MaskRCNN:
    """A converter of one architecture; it refuses the tensors of every other.

    Attributes:
        what: Name of the architecture, for messages.
        resnet: The backbone.
        form: ``fpn``; ``c4``, whose heads share the last stage; or ``dc5``, whose last stage is
            dilated.
        classes: Number of classes without the background.
        norm: Norm of neck and heads, ``bn`` or ``gn``; None if they have biases instead. With a
            norm the box head has four convolutions and one linear layer, without it two linear
            layers.
    """

    what: str
    resnet: ResNet = field(default_factory=ResNet)
    form: str = "fpn"
    classes: int = 80
    norm: str | None = None

    def __call__(self, state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
        """Return the tensors of mmdet's model.

        Args:
            state_dict: Name -> tensor of detectron2's model.

        Raises:
            ConversionError: The tensors are those of another architecture.
        """
        return convert_by_table(state_dict, self.entries(), what=self.what, dropped=_DROPPED)

    def entries(self) -> Iterator[Entry]:
        """Yield every tensor of the model."""
        yield from self._backbone()
        yield from self._rpn_head()
        yield from self._box_head()
        yield from self._mask_head()

    def _backbone(self) -> Iterator[Entry]:
        source = "backbone.bottom_up." if self.form == "fpn" else "backbone."
        yield from self.resnet.stem(source, "backbone.")
        if self.form == "c4":
            yield from self.resnet.stages(source, "backbone.", range(3))
            yield from self.resnet.stages("roi_heads.", "roi_head.shared_head.", range(3, 4))
            return
        yield from self.resnet.stages(source, "backbone.")
        if self.form == "fpn":
            yield from self._neck()

    def _neck(self) -> Iterator[Entry]:
        for level in range(4):
            channels = 256 * 2**level
            for source, target, shape in (
                ("lateral", "lateral", (_FPN_CHANNELS, channels, 1, 1)),
                ("output", "fpn", (_FPN_CHANNELS, _FPN_CHANNELS, 3, 3)),
            ):
                yield from self._conv(
                    f"backbone.fpn_{source}{level + 2}", f"neck.{target}_convs.{level}", shape
                )

    def _rpn_head(self) -> Iterator[Entry]:
        channels = {"fpn": _FPN_CHANNELS, "c4": 1024, "dc5": _RES5_CHANNELS}[self.form]
        anchors = 3 if self.form == "fpn" else 15
        source = "proposal_generator.rpn_head."
        for old, new, shape in (
            ("conv", "rpn_conv", (channels, channels, 3, 3)),
            ("objectness_logits", "rpn_cls", (anchors, channels, 1, 1)),
            ("anchor_deltas", "rpn_reg", (4 * anchors, channels, 1, 1)),
        ):
            yield from conv_entries(f"{source}{old}", f"rpn_head.{new}", shape)

    def _box_head(self) -> Iterator[Entry]:
        source, target = "roi_heads.box_head.", "roi_head.bbox_head."
        channels = _FPN_CHANNELS if self.form == "fpn" else _RES5_CHANNELS
        if self.norm is not None:
            for number in range(4):
                shape = (channels, channels, 3, 3)
                conv = f"{target}shared_convs.{number}"
                yield from self._conv(f"{source}conv{number + 1}", conv, shape)
        features = _RES5_CHANNELS
        if self.form != "c4":
            features, inputs = _BOX_FEATURES, channels * 7 * 7
            for number in range(2 if self.norm is None else 1):
                matrix = (features, features if number else inputs)
                linear = f"{target}shared_fcs.{number}"
                yield from conv_entries(f"{source}fc{number + 1}", linear, matrix)
        source = "roi_heads.box_predictor."
        outputs = {"cls_score": self.classes + 1, "bbox_pred": 4 * self.classes}
        for old, new in (("cls_score", "fc_cls"), ("bbox_pred", "fc_reg")):
            yield from conv_entries(f"{source}{old}", f"{target}{new}", (outputs[old], features))

    def _mask_head(self) -> Iterator[Entry]:
        source, target = "roi_heads.mask_head.", "roi_head.mask_head."
        inputs = _FPN_CHANNELS if self.form == "fpn" else _RES5_CHANNELS
        if self.form != "c4":
            for number in range(4):
                shape = (_MASK_CHANNELS, _MASK_CHANNELS if number else inputs, 3, 3)
                conv = f"{target}convs.{number}"
                yield from self._conv(f"{source}mask_fcn{number + 1}", conv, shape)
            inputs = _MASK_CHANNELS
        # A transposed convolution has its inputs first.
        yield Entry(
            f"{source}deconv.weight", f"{target}upsample.weight", (inputs, _MASK_CHANNELS, 2, 2)
        )
        yield Entry(f"{source}deconv.bias", f"{target}upsample.bias", (_MASK_CHANNELS,))
        shape = (self.classes, _MASK_CHANNELS, 1, 1)
        yield from conv_entries(f"{source}predictor", f"{target}conv_logits", shape)

    def _conv(self, source: str, target: str, shape: tuple[int, ...]) -> Iterator[Entry]:
        """Yield a convolution with its norm or its bias, which mmdet's ``ConvModule`` holds."""
        if self.norm is None:
            yield from conv_entries(source, f"{target}.conv", shape)
            return
        yield Entry(f"{source}.weight", f"{target}.conv.weight", shape)
        yield from norm_entries(self.norm, f"{source}.norm", f"{target}.{self.norm}", shape[0])


_R101 = ResNet(101)
_X101 = ResNet(101, groups=32, group_width=8)

mask_rcnn_r50_fpn = MaskRCNN("Mask R-CNN R50-FPN with 80 classes")
mask_rcnn_r101_fpn = MaskRCNN("Mask R-CNN R101-FPN with 80 classes", _R101)
mask_rcnn_x101_fpn = MaskRCNN("Mask R-CNN X101-32x8d-FPN with 80 classes", _X101)
mask_rcnn_r50_c4 = MaskRCNN("Mask R-CNN R50-C4 with 80 classes", form="c4")
mask_rcnn_r101_c4 = MaskRCNN("Mask R-CNN R101-C4 with 80 classes", _R101, form="c4")
mask_rcnn_r50_dc5 = MaskRCNN("Mask R-CNN R50-DC5 with 80 classes", form="dc5")
mask_rcnn_r101_dc5 = MaskRCNN("Mask R-CNN R101-DC5 with 80 classes", _R101, form="dc5")
mask_rcnn_r50_fpn_gn = MaskRCNN(
    "Mask R-CNN R50-FPN with group norm and 80 classes", ResNet(norm="gn"), norm="gn"
)
mask_rcnn_r50_fpn_syncbn = MaskRCNN(
    "Mask R-CNN R50-FPN with batch norm in its heads and 80 classes", norm="bn"
)
mask_rcnn_r50_fpn_cityscapes = MaskRCNN("Mask R-CNN R50-FPN with 8 classes", classes=8)
mask_rcnn_r50_fpn_lvis = MaskRCNN("Mask R-CNN R50-FPN with 1230 classes", classes=1230)
mask_rcnn_r101_fpn_lvis = MaskRCNN("Mask R-CNN R101-FPN with 1230 classes", _R101, classes=1230)
mask_rcnn_x101_fpn_lvis = MaskRCNN(
    "Mask R-CNN X101-32x8d-FPN with 1230 classes", _X101, classes=1230
)
