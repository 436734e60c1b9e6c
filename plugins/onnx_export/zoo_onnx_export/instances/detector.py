# SPDX-License-Identifier: Apache-2.0
"""Which instance models can be one graph: each part is known by its exact type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.instances.stages import Stage, stages_of

__all__ = ["check_detector"]

_HEADS = "mmdet.models.roi_heads.bbox_heads.convfc_bbox_head."
_EXTRACTOR = "mmdet.models.roi_heads.roi_extractors.single_level_roi_extractor.SingleRoIExtractor"
_CODER = "mmdet.models.task_modules.coders.delta_xywh_bbox_coder.DeltaXYWHBBoxCoder"
_PARTS = {
    "": (
        "mmdet.models.detectors.mask_rcnn.MaskRCNN",
        "mmdet.models.detectors.cascade_rcnn.CascadeRCNN",
    ),
    "rpn_head": ("mmdet.models.dense_heads.rpn_head.RPNHead",),
    "rpn_head.prior_generator": (
        "mmdet.models.task_modules.prior_generators.anchor_generator.AnchorGenerator",
    ),
    "rpn_head.bbox_coder": (_CODER,),
    "roi_head": (
        "mmdet.models.roi_heads.standard_roi_head.StandardRoIHead",
        "mmdet.models.roi_heads.cascade_roi_head.CascadeRoIHead",
    ),
}
_BOX_HEADS = tuple(
    _HEADS + name for name in ("ConvFCBBoxHead", "Shared2FCBBoxHead", "Shared4Conv1FCBBoxHead")
)
_MASK_HEADS = ("mmdet.models.roi_heads.mask_heads.fcn_mask_head.FCNMaskHead",)
_NMS_KEYS = {"type", "iou_threshold", "split_thr"}


def check_detector(module: Any, name: str) -> None:
    """Refuse a model that is no (Cascade) Mask R-CNN, or has a part that a graph does not have.

    Args:
        module: The model, as ``zoo.Predictor`` has it.
        name: Its name, for messages.

    Raises:
        ExportError: A part is of another type, or has another setting; it is named.
    """
    if module is None:
        hint = "name the model that it was made from."
        raise _refused(name, "it is an exported file already", "model", hint)
    for path, known in _PARTS.items():
        _check_part(name, path, _part(module, path), known)
    if not module.roi_head.with_mask:
        fault = "it predicts boxes only, expected a roi_head with a mask_head"
        raise _refused(name, fault, "model.roi_head")
    boxes, masks = (stages_of(module.roi_head, kind) for kind in ("bbox", "mask"))
    for stage in (*boxes, *masks):
        _check_part(name, stage.extractor_path, stage.extractor, (_EXTRACTOR,))
    for stage in boxes:
        _check_part(name, stage.path, stage.head, _BOX_HEADS)
        _check_part(name, f"{stage.path}.bbox_coder", stage.head.bbox_coder, (_CODER,))
    for stage in masks:
        _check_part(name, stage.path, stage.head, _MASK_HEADS)
    for where, fault in _settings(module, boxes, masks):
        raise _refused(name, fault, where)


def _part(module: Any, path: str) -> Any:
    for step in filter(None, path.split(".")):
        module = getattr(module, step, None)
    return module


def _check_part(name: str, path: str, part: Any, known: Sequence[str]) -> None:
    kind = type(part)
    if f"{kind.__module__}.{kind.__qualname__}" not in known:
        what = "it" if not path else f"its {path}"
        names = " or ".join(one.rpartition(".")[2] for one in known)
        fault = f"{what} is a {kind.__name__}, expected a {names} of mmdet"
        raise _refused(name, fault, ".".join(filter(None, ("model", path))))


def _settings(
    module: Any, boxes: Sequence[Stage], masks: Sequence[Stage]
) -> Iterator[tuple[str, str]]:
    """Yield the settings of known parts that a graph does not have."""
    rpn, roi = module.rpn_head, module.roi_head
    if not rpn.use_sigmoid_cls:
        yield "model.rpn_head", "its rpn_head scores anchors by a softmax"
    if roi.with_shared_head:
        yield "model.roi_head", "its roi_head has a shared_head"
    for stage in boxes:
        head = stage.head
        if not (head.with_reg and head.with_cls) or head.custom_cls_channels:
            yield (
                f"model.{stage.path}",
                f"its {stage.path} has scores of its own, or moves no boxes",
            )
    for path, head in (("rpn_head", rpn), *((stage.path, stage.head) for stage in boxes)):
        coder = head.bbox_coder
        if coder.add_ctr_clamp or not coder.clip_border:
            yield f"model.{path}.bbox_coder", f"the boxes of its {path} may leave the image"
    for stage in (*boxes, *masks):
        path, layers = stage.extractor_path, stage.extractor.roi_layers
        if any(type(one).__name__ != "RoIAlign" or one.pool_mode != "avg" for one in layers):
            yield f"model.{path}", f"its {path} has other layers than RoIAlign of means"
    yield from _test_settings(rpn.test_cfg or {}, roi.test_cfg or {})


def _test_settings(rpn: Mapping[str, Any], rcnn: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, settings in (("rpn", rpn), ("rcnn", rcnn)):
        yield from _suppressions(path, settings)
    most = rpn.get("max_per_img")
    if type(most) is not int or most < 1:  # mmdet cuts a list by it: -1 drops the last proposal
        yield "model.test_cfg.rpn", f"its rpn states max_per_img={most!r:.40}, expected 1 or more"
    if not 0 < rcnn.get("mask_thr_binary", 0) <= 1:
        yield "model.test_cfg.rcnn", "its mask_thr_binary is not between 0 and 1"


def _suppressions(path: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    nms = settings.get("nms") or {}
    others = sorted(set(nms) - _NMS_KEYS)
    where = f"model.test_cfg.{path}.nms"
    is_share = 0 <= nms.get("iou_threshold", -1) <= 1
    if nms.get("type", "nms") != "nms" or others or not is_share:
        fault = f"it suppresses boxes by {dict(nms)!r:.80}, expected the type 'nms' and an "
        yield where, fault + "iou_threshold from 0 to 1"


def _refused(
    name: str, fault: str, where: str, hint: str = "zoo predict runs it as it is."
) -> ExportError:
    return ExportError(f"cannot export {name!r}: {fault}.", where=where, hint=hint)
