# SPDX-License-Identifier: Apache-2.0
"""``evaluation`` as evaluators, and what the best checkpoint is."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_evaluation"]

_DEFAULT_METRICS = {"mmseg": "mIoU", "mmdet": "bbox"}
_NEEDLESS = ("pre_eval", "efficient_test", "gpu_collect", "tmpdir", "broadcast_bn_buffer")
_VOC = ("VOCDataset", "XMLDataset", "WIDERFaceDataset", "CustomDataset", "BaseDetDataset")
_PANOPTIC = ("PQ", "pq")
_COCO_ARGUMENTS = {
    "classwise": "classwise",
    "proposal_nums": "proposal_nums",
    "iou_thrs": "iou_thrs",
    "metric_items": "metric_items",
    "jsonfile_prefix": "outfile_prefix",
}


def migrate_evaluation(work: Work) -> None:
    """Write ``val_evaluator`` and ``test_evaluator``.

    Args:
        work: The migration, after its data.
    """
    config = work.take_dict("evaluation")
    metrics = config.pop("metric", None) or _DEFAULT_METRICS[work.family]
    names = [metrics] if isinstance(metrics, str) else [str(each) for each in metrics]
    for name in _NEEDLESS:
        if name in config:
            config.pop(name)
            work.ledger.drop(f"evaluation.{name}", "mmengine evaluates batch by batch")
    best = {key: config.pop(key) for key in ("save_best", "rule") if config.get(key) is not None}
    for split in ("val", "test"):
        if f"{split}_dataloader" not in work.new:
            continue
        rest = dict(config)
        make = _of_seg if work.is_seg else _of_det
        made = make(work, work.measured[split], names, rest)
        work.new[f"{split}_evaluator"] = made if len(made) > 1 else made[0]
        if split == "val" or "val_dataloader" not in work.new:
            kinds = ", ".join(str(each["type"]) for each in made)
            work.ledger.change("evaluation.metric", f"{split}_evaluator: {kinds}")
            work.leave("evaluation", {k: v for k, v in rest.items() if k not in ("interval",)})
    _write_best(work, best)


def _of_seg(
    work: Work, dataset: Mapping[str, Any], names: list[str], rest: dict[str, Any]
) -> list[dict[str, Any]]:
    known = [name for name in names if name in ("mIoU", "mDice", "mFscore")]
    made: list[dict[str, Any]] = []
    if known or "cityscapes" not in names:
        made.append({"type": "IoUMetric", "iou_metrics": known or ["mIoU"]})
        for name in ("nan_to_num", "beta", "classwise"):
            if name in rest and name != "classwise":
                made[0][name] = rest.pop(name)
    if "cityscapes" in names:
        folder = rest.pop("imgfile_prefix", "work_dirs/format_results")
        made.append({"type": "CityscapesMetric", "output_dir": folder})
    for name in names:
        if name not in (*known, "cityscapes"):
            why = "mmseg 1.x has no such metric"
            work.ledger.lose(f"evaluation.metric={name!r}", why, "port it as a metric of mmengine.")
    return made


def _of_det(
    work: Work, dataset: Mapping[str, Any], names: list[str], rest: dict[str, Any]
) -> list[dict[str, Any]]:
    kind = str(dataset.get("type"))
    if kind in _VOC and not {"bbox", "segm"} & set(names):
        return [_voc(dataset, kind, names, rest)]
    if kind.startswith("OpenImages"):
        kept: dict[str, Any] = {
            n: rest.pop(n) for n in ("use_group_of", "get_supercategory") if n in rest
        }
        plain: dict[str, Any] = {
            "iou_thrs": 0.5,
            "ioa_thrs": 0.5,
            "use_group_of": True,
            "get_supercategory": True,
        }
        rest.pop("ioa_thr", None)
        return [{"type": "OpenImagesMetric", **plain, **kept}]
    made: list[dict[str, Any]] = []
    if set(names) & set(_PANOPTIC):
        made.append(_panoptic(dataset))
    coco = [name for name in names if name not in (*_PANOPTIC, "cityscapes", "mAP")]
    if coco:
        made.append(_coco(work, dataset, kind, coco, rest))
    if "cityscapes" in names:
        # Beside the images, as mmdet 2.x looked for them.
        images = _joined(dataset, "img_prefix") or "data/cityscapes/leftImg8bit/val"
        folder = images.replace("leftImg8bit", "gtFine")
        prefix = rest.pop("outfile_prefix", "work_dirs/cityscapes_metric/instance")
        made.append({"type": "CityScapesMetric", "seg_prefix": folder, "outfile_prefix": prefix})
    if not made:
        made.append(_coco(work, dataset, kind, ["bbox"], rest))
        why = f"{kind} is not measured by {', '.join(names)} in mmdet 3.x"
        work.ledger.lose("evaluation.metric", why, "choose a metric of mmdet 3.x.")
    return made


def _voc(
    dataset: Mapping[str, Any], kind: str, names: list[str], rest: dict[str, Any]
) -> dict[str, Any]:
    is_2007 = kind == "VOCDataset" and "VOC2007" in str(
        dataset.get("img_prefix") or dataset.get("data_prefix")
    )
    made: dict[str, Any] = {"type": "VOCMetric", "metric": "recall" if "recall" in names else "mAP"}
    made["eval_mode"] = "11points" if is_2007 else "area"
    for old, new in {"iou_thr": "iou_thrs", "scale_ranges": "scale_ranges"}.items():
        if old in rest:
            made[new] = rest.pop(old)
    if "proposal_nums" in rest:
        made["proposal_nums"] = rest.pop("proposal_nums")
    return made


def _panoptic(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "CocoPanopticMetric",
        "ann_file": _joined(dataset, "ann_file"),
        "seg_prefix": _joined(dataset, "seg_prefix"),
    }


def _coco(
    work: Work, dataset: Mapping[str, Any], kind: str, names: list[str], rest: dict[str, Any]
) -> dict[str, Any]:
    known = ("bbox", "segm", "proposal", "proposal_fast")
    for name in names:
        if name not in known:
            why = "CocoMetric has no such metric"
            work.ledger.lose(f"evaluation.metric={name!r}", why, f"use one of {', '.join(known)}.")
    kept = [name for name in names if name in known] or ["bbox"]
    file = "ins_ann_file" if dataset.get("ins_ann_file") else "ann_file"
    made: dict[str, Any] = {
        "type": "LVISMetric" if kind.startswith("LVIS") else "CocoMetric",
        "ann_file": _joined(dataset, file),
        "metric": kept if len(kept) > 1 else kept[0],
        "format_only": False,
    }
    for old, new in _COCO_ARGUMENTS.items():
        if old in rest:
            made[new] = rest.pop(old)
    rest.pop("ioa_thr", None)
    return made


def _joined(dataset: Mapping[str, Any], key: str) -> str | None:
    path, root = dataset.get(key), dataset.get("data_root")
    if isinstance(path, (list, tuple)):
        path = path[0] if path else None
    if path is None or not root:
        return path
    return posixpath.join(str(root), str(path))


def _write_best(work: Work, best: dict[str, Any]) -> None:
    if "save_best" not in best:
        return
    checkpoint = work.new["default_hooks"]["checkpoint"]
    name = str(best["save_best"])
    evaluators = work.new.get("val_evaluator")
    first = evaluators[0] if isinstance(evaluators, list) else evaluators
    prefixes = {"CocoMetric": "coco", "VOCMetric": "pascal_voc", "LVISMetric": "lvis"}
    prefix = prefixes.get(str((first or {}).get("type")))
    is_bare = prefix is not None and name != "auto" and "/" not in name
    checkpoint["save_best"] = f"{prefix}/{name}" if is_bare else name
    if "rule" in best:
        checkpoint["rule"] = best["rule"]
    text = f"default_hooks.checkpoint.save_best={checkpoint['save_best']!r}"
    work.ledger.change("evaluation.save_best", text)
