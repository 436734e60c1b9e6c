# SPDX-License-Identifier: Apache-2.0
"""``model``: its preprocessor, its pretrained weights, and what was renamed inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zoo_openmmlab_migration.configs.preprocessor import make_preprocessor
from zoo_openmmlab_migration.configs.transformers import migrate_transformers
from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_model"]

_MATCHERS = ("HungarianAssigner", "MaskHungarianAssigner")
# The order of the old arguments is the order in which costs are added.
_COSTS = ("cls_cost", "reg_cost", "iou_cost", "mask_cost", "dice_cost")
# Arguments by type: the new name, or None for one that had no effect.
_ARGUMENTS: Mapping[str, Mapping[str, str | None]] = {
    "CTResNetNeck": {"in_channel": "in_channels"},
    "CenterNetHead": {"in_channel": "in_channels", "feat_channel": "feat_channels"},
    "NASFPN": {"add_extra_convs": None},
    "StageCascadeRPNHead": {"sampling": None},
}


def migrate_model(work: Work) -> None:
    """Write ``model``.

    Args:
        work: The migration, after its data.
    """
    model = work.take("model")
    if not isinstance(model, Mapping):
        return
    made: dict[str, Any] = {"type": model.get("type")}
    known = model.get("data_preprocessor")
    made["data_preprocessor"] = make_preprocessor(work, model)
    if isinstance(known, Mapping) and not (work.train.norm or work.test.norm):
        made["data_preprocessor"] = _laid_over(known, made["data_preprocessor"])
    made |= {key: value for key, value in model.items() if key != "data_preprocessor"}
    work.ledger.change("model", "model.data_preprocessor added")
    _take_settings(work, made)
    _pretrained(work, made)
    made = _walked(work, made, "model")
    if not work.is_seg:
        migrate_transformers(work, made)
        _inputs(work, made)
        _semantic_scale(work, made)
        _segmentation_branch(work, made)
        _panoptic_test(work, made)
        _teacher(work, made)
    work.new["model"] = made


def _laid_over(known: Mapping[str, Any], computed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preprocessor of the new generation, with the size that training crops to."""
    sizes = ("size", "size_divisor")
    is_sized = any(known.get(name) is not None for name in sizes)
    below = {k: v for k, v in computed.items() if not (is_sized and k in sizes)}
    return {**below, **{key: value for key, value in known.items() if value is not None}}


def _take_settings(work: Work, model: dict[str, Any]) -> None:
    """Move ``train_cfg`` and ``test_cfg`` from the top level into the model."""
    for key in ("train_cfg", "test_cfg"):
        if key in work.old:
            model.setdefault(key, work.take(key))
            work.ledger.change(key, f"model.{key}")


def _pretrained(work: Work, model: dict[str, Any]) -> None:
    """Give ``pretrained`` of a detector to its backbone, where mmdet 3.x expects it."""
    if work.is_seg and "embed_dim" in (model.get("backbone") or {}) and model.get("pretrained"):
        why = "it is a file of the original Swin, whose names mmseg 1.x does not know"
        work.ledger.lose("model.pretrained", why, "name the file that mmseg 1.x's config names.")
    if work.is_seg or "pretrained" not in model:
        return
    file = model.pop("pretrained")
    backbone = model.get("backbone")
    if file is None or not isinstance(backbone, Mapping):
        work.ledger.drop("model.pretrained", "is None")
        return
    first = {"type": "Pretrained", "checkpoint": file}
    model["backbone"] = {**backbone, "init_cfg": backbone.get("init_cfg") or first}
    work.ledger.change("model.pretrained", "model.backbone.init_cfg")


def _walked(work: Work, value: Any, place: str) -> Any:
    """Return a part of the model with the small changes at any depth."""
    if isinstance(value, Mapping):
        walked = {
            key: _walked(work, item, f"{place}.{key}" if key != "type" else place)
            for key, item in value.items()
        }
        for change in _ANYWHERE:
            walked = change(work, walked, place)
        return walked
    if isinstance(value, (list, tuple)):
        items = [_walked(work, item, f"{place}[{n}]") for n, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _matcher(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    if part.get("type") not in _MATCHERS or "match_costs" in part:
        return part
    costs = [part.pop(name) for name in _COSTS if name in part]
    used = [cost for cost in costs if cost.get("weight", 1) != 0]
    work.ledger.change(f"{place}.type={part['type']!r}", "HungarianAssigner with match_costs")
    return {**part, "type": "HungarianAssigner", "match_costs": used}


def _suppression(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    """Rename what early mmdet 2.x said of NMS."""
    if part.pop("nms_across_levels", None) is not None:
        work.ledger.drop(f"{place}.nms_across_levels", "mmdet 2.4 and later ignored it")
    if "nms_thr" in part and "nms" not in part:
        part["nms"] = {"type": "nms", "iou_threshold": part.pop("nms_thr")}
        work.ledger.change(f"{place}.nms_thr", "nms.iou_threshold")
    if "max_num" in part and ("nms" in part or "nms_pre" in part):
        part["max_per_img"] = part.pop("max_num")
        work.ledger.change(f"{place}.max_num", "max_per_img")
    kind = str(part.get("type"))
    if kind in ("nms", "soft_nms") and "iou_thr" in part:
        part["iou_threshold"] = part.pop("iou_thr")
        work.ledger.change(f"{place}.iou_thr", "iou_threshold")
    return part


def _arguments(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    for old, new in _ARGUMENTS.get(str(part.get("type")), {}).items():
        if old in part:
            value = part.pop(old)
            if new is None:
                work.ledger.drop(f"{place}.{old}", "mmdet 3.x finds it out by itself")
            else:
                part[new] = value
                work.ledger.change(f"{place}.{old}", new)
    return part


def _extra_levels(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    """Say in one argument from what an FPN makes its extra levels, as mmdet 2.4 and later do."""
    on_inputs = part.get("extra_convs_on_inputs")
    if part.get("type") != "FPN" or on_inputs is None:
        return part
    part.pop("extra_convs_on_inputs")
    if part.get("add_extra_convs") is True:
        part["add_extra_convs"] = "on_input" if on_inputs else "on_output"
    work.ledger.change(f"{place}.extra_convs_on_inputs", "add_extra_convs")
    return part


def _original_swin(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    """Rename the arguments of the original Swin repositories, which mmseg and mmdet came to have.

    Source: ``mmseg/models/backbones/swin_transformer.py`` of SwinTransformer's repositories.
    """
    if part.get("type") != "SwinTransformer" or "embed_dim" not in part:
        return part
    names = {"embed_dim": "embed_dims", "ape": "use_abs_pos_embed", "use_checkpoint": "with_cp"}
    made = {names.get(key, key): value for key, value in part.items()}
    made.setdefault("drop_path_rate", 0.2)
    if not work.is_seg:
        made["convert_weights"] = True  # of the original pretrained files, while they are loaded
    work.ledger.change(place, "SwinTransformer with the arguments of mmseg and mmdet")
    return made


def _defaults(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    """State what was the default: mmseg 1.x builds its ViT without a bias in the patches."""
    if work.is_seg and part.get("type") == "VisionTransformer" and "patch_bias" not in part:
        part["patch_bias"] = True
        work.ledger.change(f"{place}.patch_bias", "True, which was the default")
    return part


def _other_packages(work: Work, part: dict[str, Any], place: str) -> dict[str, Any]:
    kind = part.get("type")
    if isinstance(kind, str) and kind.startswith("mmcls."):
        part["type"] = f"mmpretrain.{kind.removeprefix('mmcls.')}"
        work.ledger.change(f"{place}.type", part["type"])
    return part


_ANYWHERE: tuple[Callable[[Work, dict[str, Any], str], dict[str, Any]], ...] = (
    _matcher,
    _suppression,
    _arguments,
    _extra_levels,
    _original_swin,
    _defaults,
    _other_packages,
)


def _inputs(work: Work, model: dict[str, Any]) -> None:
    """Move YOLOX's random input size to the preprocessor."""
    size = model.pop("input_size", None)
    between = model.pop("random_size_range", None)
    interval = model.pop("random_size_interval", 10)
    multiplier = model.pop("size_multiplier", 32)
    if between is None:
        return
    sides = tuple(int(side) * multiplier for side in between)
    augment = {
        "type": "BatchSyncRandomResize",
        "random_size_range": sides,
        "size_divisor": multiplier,
        "interval": interval,
    }
    before = model["data_preprocessor"]
    before["pad_size_divisor"] = multiplier
    before["batch_augments"] = [*before.get("batch_augments", []), augment]
    work.ledger.change("model.random_size_range", "model.data_preprocessor.batch_augments")
    if isinstance(size, (list, tuple)) and size[0] != size[1]:
        why = "mmdet 3.x draws sizes without the ratio of input_size"
        work.ledger.lose("model.input_size", why, "train with square sizes.")


def _semantic_scale(work: Work, model: dict[str, Any]) -> None:
    """Tell the semantic head by what its labels are reduced."""
    if work.train.seg_scale is None:
        return
    head = (model.get("roi_head") or {}).get("semantic_head")
    if isinstance(head, dict):
        head["seg_scale_factor"] = work.train.seg_scale
        work.ledger.change("SegRescale", "roi_head.semantic_head.seg_scale_factor")


def _segmentation_branch(work: Work, model: dict[str, Any]) -> None:
    """Make YOLACT's segmentation head a branch of its mask head."""
    branch = model.pop("segm_head", None)
    head = model.get("mask_head")
    if not isinstance(branch, Mapping) or not isinstance(head, dict):
        return
    head["with_seg_branch"] = True
    if "loss_segm" in branch:
        head["loss_segm"] = branch["loss_segm"]
    test = dict(model.get("test_cfg") or {})
    model["test_cfg"] = {**test, "mask_thr": 0.5, "mask_thr_binary": 0.5}
    work.ledger.change("model.segm_head", "model.mask_head.with_seg_branch")


def _panoptic_test(work: Work, model: dict[str, Any]) -> None:
    """Let the box head of a panoptic FPN filter as its panoptic part did."""
    test = model.get("test_cfg")
    if model.get("type") != "PanopticFPN" or not isinstance(test, dict):
        return
    panoptic, boxes = test.get("panoptic"), test.get("rcnn")
    if isinstance(panoptic, dict) and isinstance(boxes, dict):
        for name in ("score_thr", "nms", "max_per_img", "mask_thr_binary"):
            if name in panoptic:
                boxes[name] = panoptic.pop(name)
                work.ledger.change(f"model.test_cfg.panoptic.{name}", "model.test_cfg.rcnn")


def _teacher(work: Work, model: dict[str, Any]) -> None:
    config = model.get("teacher_config")
    if isinstance(config, str):
        why = f"the teacher's config {config!r} is a file of its own"
        work.ledger.lose(
            "model.teacher_config", why, "migrate it, too, and name the new file here."
        )
