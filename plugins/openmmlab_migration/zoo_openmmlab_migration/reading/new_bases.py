# SPDX-License-Identifier: Apache-2.0
"""Old bases that are not there: the installed mmseg and mmdet have them under their new names.

An old config mostly inherits from ``../_base_/models/fcn_unet_s5-d16.py`` and the like, which lie
in the old repository. Where they are missing, the new base is read and put into the old form, so
that the config can be merged with it as with the old one.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["NewBase", "find_new_bases", "lowered"]

_FAMILIES = ("mmseg", "mmdet")
_LOADERS = {"train_dataloader": "train", "val_dataloader": "val", "test_dataloader": "test"}
_STEPS = ("MultiStepLR", "StepLR")


@dataclass(frozen=True, slots=True)
class NewBase:
    """A config of the new generation that stands for an old one.

    Attributes:
        name: ``mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py``.
        path: Its file.
    """

    name: str
    path: Path


def find_new_bases(names: Sequence[str], text: str) -> dict[str, NewBase]:
    """Return the installed configs that old bases are called today.

    Args:
        names: What ``_base_`` says: paths, or ``mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py``.
        text: The source of the config, which tells the family where names are in both.

    Returns:
        Old name -> new config; names that are in neither family are left out.
    """
    found = {name: _candidates(name) for name in names}
    sure = [next(iter(each)) for each in found.values() if len(each) == 1]
    family = sure[0] if sure else ("mmseg" if "decode_head" in text else "mmdet")
    chosen = {
        name: each.get(family, next(iter(each.values()), None)) for name, each in found.items()
    }
    return {name: base for name, base in chosen.items() if base is not None}


def _candidates(name: str) -> dict[str, NewBase]:
    """Return the one config of each family that a name may mean."""
    scope, _, inside = name.rpartition("::")
    wanted = _words(inside.removesuffix(".py"))
    found: dict[str, NewBase] = {}
    for family in [scope] if scope in _FAMILIES else _FAMILIES:
        same = [
            NewBase(f"{family}::{place}", path)
            for place, path in _configs(family)
            if _ends_with(_words(place.removesuffix(".py")), wanted)
            and place.startswith("_base_/") == ("_base_/" in name)
        ]
        if len(same) == 1:
            found[family] = same[0]
    return found


@functools.cache
def _configs(family: str) -> tuple[tuple[str, Path], ...]:
    spec = importlib.util.find_spec(family)
    places = (spec and spec.submodule_search_locations) or ()
    roots = [Path(place) / ".mim" / "configs" for place in places]
    return tuple(
        (path.relative_to(root).as_posix(), path)
        for root in roots
        for path in sorted(root.rglob("*.py"))
    )


def _words(place: str) -> list[str]:
    """Return the parts of a path without what differs between the generations: ``-`` and ``_``."""
    parts = [part for part in place.split("/") if part not in ("..", ".", "", "configs")]
    return [re.sub(r"[-_]+", "_", part.strip("_")) for part in parts]


def _ends_with(words: list[str], wanted: list[str]) -> bool:
    return bool(wanted) and words[-len(wanted) :] == wanted


def lowered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new config in the keys of the old generation.

    Args:
        values: Its keys. Pipelines stay as they are: their steps are those of today already.
    """
    rest = dict(values)
    old: dict[str, Any] = {}
    data = {old_key: rest.pop(key) for key, old_key in _LOADERS.items() if rest.get(key)}
    if data:
        old["data"] = _data(data)
    wrapper = dict(rest.pop("optim_wrapper", None) or {})
    if wrapper:
        old |= _optimizer(wrapper)
    measured = _metrics(rest["val_evaluator"]) if rest.get("val_evaluator") else []
    old |= _loops(rest)
    if measured:
        old["evaluation"] = {**old.get("evaluation", {}), "metric": measured}
    schedulers = rest.pop("param_scheduler", None)
    if schedulers:
        old["lr_config"] = dict(_schedule(schedulers))
    old |= _hooks(rest)
    for key in ("default_scope", "visualizer", "vis_backends", "log_processor", "resume"):
        rest.pop(key, None)
    for key in ("tta_model", "tta_pipeline", "img_ratios", "backend_args", "optimizer"):
        rest.pop(key, None)
    kept = {key: value for key, value in rest.items() if not key.endswith("_evaluator")}
    return kept | old


def _data(loaders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    train = loaders.get("train", {})
    data: dict[str, Any] = {}
    if "batch_size" in train:
        data["samples_per_gpu"] = train["batch_size"]
    if "num_workers" in train:
        data["workers_per_gpu"] = train["num_workers"]
    return data | {split: _dataset(each.get("dataset", {})) for split, each in loaders.items()}


def _dataset(new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data set, or what wraps it, with the old names of its arguments."""
    old = {key: value for key, value in new.items() if key not in ("test_mode", "backend_args")}
    if "dataset" in old:
        return {**old, "dataset": _dataset(old["dataset"])}
    if "datasets" in old:
        old.pop("ignore_keys", None)
        return {**old, "datasets": [_dataset(each) for each in old["datasets"]]}
    old |= dict(old.pop("metainfo", None) or {})
    prefix = dict(old.pop("data_prefix", None) or {})
    if "img_path" in prefix or "seg_map_path" in prefix:
        renamed = {"img_path": "img_dir", "seg_map_path": "ann_dir"}
        old |= {renamed[key]: value for key, value in prefix.items() if key in renamed}
        if "ann_file" in old:
            old["split"] = old.pop("ann_file")
        return old
    root = old.pop("data_root", None) or ""
    names = {"img": "img_prefix", "sub_data_root": "img_prefix", "seg": "seg_prefix"}
    old |= {names[key]: f"{root}{value}" for key, value in prefix.items() if key in names}
    if "ann_file" in old:
        old["ann_file"] = f"{root}{old['ann_file']}"
    filters = old.pop("filter_cfg", None) or {}
    if "filter_empty_gt" in filters:
        old["filter_empty_gt"] = filters["filter_empty_gt"]
    return old


def _optimizer(wrapper: dict[str, Any]) -> dict[str, Any]:
    optimizer = dict(wrapper.get("optimizer") or {})
    for name in ("paramwise_cfg", "constructor"):
        if wrapper.get(name):
            optimizer[name] = wrapper[name]
    old: dict[str, Any] = {"optimizer": optimizer}
    old["optimizer_config"] = {"grad_clip": wrapper.get("clip_grad")}
    if wrapper.get("type") == "AmpOptimWrapper":
        old["fp16"] = {"loss_scale": wrapper.get("loss_scale", "dynamic")}
    return old


def _loops(rest: dict[str, Any]) -> dict[str, Any]:
    train = rest.pop("train_cfg", None) or {}
    for key in ("val_cfg", "test_cfg"):
        rest.pop(key, None)
    if not train:
        return {}
    by_iter = "max_iters" in train or train.get("type") == "IterBasedTrainLoop"
    unit, kind = ("iters", "IterBasedRunner") if by_iter else ("epochs", "EpochBasedRunner")
    runner = {"type": kind, f"max_{unit}": train.get(f"max_{unit}")}
    return {"runner": runner, "evaluation": {"interval": train.get("val_interval", 1)}}


def _metrics(evaluator: Any) -> list[str]:
    """Return what evaluators measure, in the words of ``evaluation.metric``."""
    names: list[str] = []
    for each in evaluator if isinstance(evaluator, list) else [evaluator]:
        stated = each.get("iou_metrics", each.get("metric"))
        if each.get("type") == "CocoPanopticMetric":
            stated = "PQ"
        names += [stated] if isinstance(stated, str) else list(stated or [])
    return names


def _schedule(schedulers: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys of ``lr_config``."""
    several = schedulers if isinstance(schedulers, list) else [schedulers]
    for each in several:
        kind = each.get("type")
        if kind == "LinearLR":
            yield "warmup", "linear"
            yield "warmup_iters", each.get("end")
            yield "warmup_ratio", each.get("start_factor")
        elif kind in _STEPS:
            yield "policy", "step"
            yield "step", each.get("milestones", each.get("step_size"))
            yield "gamma", each.get("gamma", 0.1)
            yield "by_epoch", each.get("by_epoch", True)
        elif kind == "PolyLR":
            yield "policy", "poly"
            yield "power", each.get("power", 1.0)
            yield "min_lr", each.get("eta_min", 0.0)
            yield "by_epoch", each.get("by_epoch", True)
        elif kind == "CosineAnnealingLR":
            yield "policy", "CosineAnnealing"
            yield "min_lr", each.get("eta_min", 0.0)
            yield "by_epoch", each.get("by_epoch", True)


def _hooks(rest: dict[str, Any]) -> dict[str, Any]:
    hooks = rest.pop("default_hooks", None) or {}
    environment = rest.pop("env_cfg", None) or {}
    old: dict[str, Any] = {}
    checkpoint = {k: v for k, v in (hooks.get("checkpoint") or {}).items() if k != "type"}
    if checkpoint:
        old["checkpoint_config"] = checkpoint
    if "logger" in hooks:
        text = {"type": "TextLoggerHook"}
        old["log_config"] = {"interval": hooks["logger"].get("interval", 50), "hooks": [text]}
    if environment:
        old["cudnn_benchmark"] = environment.get("cudnn_benchmark", False)
        old["dist_params"] = environment.get("dist_cfg", {"backend": "nccl"})
    return old
