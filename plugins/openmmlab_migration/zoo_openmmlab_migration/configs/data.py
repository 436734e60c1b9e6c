# SPDX-License-Identifier: Apache-2.0
"""``data`` as three dataloaders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.datasets import DatasetMigration, innermost
from zoo_openmmlab_migration.configs.pipelines import Pipeline, find_loader
from zoo_openmmlab_migration.configs.transforms import migrate_transform
from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_data"]

_SPLITS = ("train", "val", "test")


def migrate_data(work: Work) -> None:
    """Write ``train_dataloader``, ``val_dataloader``, ``test_dataloader`` and TTA.

    Args:
        work: The migration; what its pipelines normalize and pad is noted.
    """
    data = dict(work.old.get("data") or {})
    work.old["data"] = data
    _find_labels(work, data)
    shared = _loader_settings(work, "data", data)
    tta: Pipeline | None = None
    for split in _SPLITS:
        own = _loader_settings(
            work, f"data.{split}_dataloader", data.pop(f"{split}_dataloader", {})
        )
        dataset = data.pop(split, None)
        if not dataset:
            continue
        if isinstance(dataset, Mapping):
            own |= _of_split(dataset)
            dataset = {k: v for k, v in dataset.items() if k not in _OF_SPLIT}
        facts = work.train if split == "train" else work.test
        work.measured[split] = innermost(dataset)
        migration = DatasetMigration(work, split, facts)
        made = migration.migrate(dataset, f"data.{split}")
        work.new[f"{split}_dataloader"] = _dataloader(work, split, made, shared, own)
        work.ledger.change(f"data.{split}", f"{split}_dataloader.dataset")
        tta = migration.tta or tta
    if tta is not None:
        _write_tta(work, tta)
    work.leave("data", data)
    del work.old["data"]


_OF_SPLIT = ("samples_per_gpu", "workers_per_gpu")


def _of_split(dataset: Mapping[str, Any]) -> dict[str, Any]:
    names = {"samples_per_gpu": "batch_size", "workers_per_gpu": "num_workers"}
    return {names[name]: dataset[name] for name in _OF_SPLIT if name in dataset}


def _find_labels(work: Work, data: Mapping[str, Any]) -> None:
    """Note how labels are loaded, from the first pipeline that does."""
    for dataset in _all_datasets([data.get(split) for split in _SPLITS]):
        loader = find_loader(dataset.get("pipeline"))
        if loader is not None:
            kind = loader.pop("type")
            quiet = Work(work.family, dict(work.old))
            work.loader = migrate_transform(quiet, "", kind, loader)
            return


def _all_datasets(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)):
        return [each for item in value for each in _all_datasets(item)]
    if not isinstance(value, Mapping):
        return []
    inner = [value.get("dataset"), value.get("datasets")]
    return [value, *_all_datasets(inner)]


def _loader_settings(work: Work, place: str, settings: Any) -> dict[str, Any]:
    """Take what concerns the loader out of ``data`` or ``data.train_dataloader``."""
    made: dict[str, Any] = {}
    names = {
        "samples_per_gpu": "batch_size",
        "imgs_per_gpu": "batch_size",
        "workers_per_gpu": "num_workers",
        "persistent_workers": "persistent_workers",
        "pin_memory": "pin_memory",
        "drop_last": "drop_last",
        "prefetch_factor": "prefetch_factor",
        "shuffle": "shuffle",
        "class_aware_sampler": "class_aware_sampler",
    }
    for old, new in names.items():
        if old in settings:
            made[new] = settings.pop(old)
            work.ledger.change(f"{place}.{old}", new)
    if place != "data":
        work.leave(place, settings)
    return made


def _dataloader(
    work: Work, split: str, dataset: dict[str, Any], shared: dict[str, Any], own: dict[str, Any]
) -> dict[str, Any]:
    is_train = split == "train"
    settings = {**shared, **own} if is_train else {**shared, "batch_size": 1, **own}
    workers = settings.get("num_workers", 2)
    made: dict[str, Any] = {"batch_size": settings.get("batch_size", 1), "num_workers": workers}
    if workers:
        made["persistent_workers"] = bool(settings.get("persistent_workers", True))
    for name in ("pin_memory", "drop_last", "prefetch_factor"):
        if name in settings and (is_train or name != "drop_last"):
            made[name] = settings[name]
    if work.is_seg and is_train and work.by_epoch:
        made.setdefault("drop_last", True)  # mmseg 0.x dropped the last batch
    made["sampler"] = _sampler(work, is_train, settings)
    if is_train and not work.is_seg and not _is_mixed(dataset):
        made["batch_sampler"] = {"type": "AspectRatioBatchSampler"}
    made["dataset"] = dataset
    return made


def _sampler(work: Work, is_train: bool, settings: Mapping[str, Any]) -> dict[str, Any]:
    if not is_train:
        return {"type": "DefaultSampler", "shuffle": False}
    aware = settings.get("class_aware_sampler")
    if aware is not None:
        return {"type": "ClassAwareSampler", **dict(aware)}
    kind = "DefaultSampler" if work.by_epoch else "InfiniteSampler"
    return {"type": kind, "shuffle": bool(settings.get("shuffle", True))}


def _is_mixed(dataset: Mapping[str, Any]) -> bool:
    return dataset.get("type") == "MultiImageMixDataset"


def _write_tta(work: Work, pipeline: Pipeline) -> None:
    """Write ``tta_model`` and ``tta_pipeline`` of a test that had several scales or flips."""
    steps, branches = pipeline.steps, []
    first = next((n for n, each in enumerate(steps) if each["type"] == "Resize"), None)
    before = steps[:first] if first is not None else steps[:-2]
    rest = steps[len(before) + (first is not None) :]
    sizes = pipeline.scales or ([steps[first]] if first is not None else [])
    if sizes:
        branches.append([dict(each) for each in sizes])
    if pipeline.flips:
        plain = {"type": "RandomFlip", "prob": 0.0, "direction": pipeline.flips[0]}
        turned = [{"type": "RandomFlip", "prob": 1.0, "direction": d} for d in pipeline.flips]
        branches.append([plain, *turned])
    packed = [_with_flip(each) for each in rest]
    branches += [[each] for each in packed]
    inner = {"type": "TestTimeAug", "transforms": branches}
    work.new["tta_pipeline"] = [*[dict(each) for each in before], inner]
    work.new["tta_model"] = _tta_model(work)
    text = "tta_pipeline and tta_model; the plain test has one scale and no flip"
    work.ledger.change("MultiScaleFlipAug with several scales or flips", text)


def _with_flip(step: Mapping[str, Any]) -> dict[str, Any]:
    if "meta_keys" not in step:
        return dict(step)
    keys = dict.fromkeys([*step["meta_keys"], "flip", "flip_direction"])
    return {**step, "meta_keys": tuple(keys)}


def _tta_model(work: Work) -> dict[str, Any]:
    if work.is_seg:
        return {"type": "SegTTAModel"}
    nms = {"nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 100}
    return {"type": "DetTTAModel", "tta_cfg": nms}
