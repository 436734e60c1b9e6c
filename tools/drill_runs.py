# SPDX-License-Identifier: Apache-2.0
"""Small training runs that use everything that has a state, and the final state of a run.

`tools/kill_drill.py` kills them, and tests resume them. Each arm is a semantic or an instance model
with another way of counting, loading and scheduling.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drill_models import mask_rcnn, unet

__all__ = ["ARMS", "end_of", "plain", "write_arm", "write_pictures"]

SIZE_PX = 48
COUNTS = {"train": 9, "val": 2}
EPOCHS, STEPS = 3, 12

# Of each arm: the task, whether it counts steps, and further keys of its config.
_WARM = [
    {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 4},
    {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 4, "end": STEPS},
]
_PLATEAU = [
    {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 4},
    {
        "type": "ReduceOnPlateauLR",
        "monitor": "mIoU",
        "rule": "greater",
        "patience": 1,
        "factor": 0.5,
    },
]
_EMA = {
    "type": "EMAHook",
    "ema_type": "ExponentialMovingAverage",
    "momentum": 0.05,
    "update_buffers": True,
}
_STOP = {
    "type": "zoo.training_hooks.EarlyStopping",
    "monitor": "val/loss",
    "patience": 1,
    "least_change": 10.0,  # more than there is: it stops, after the same validation each time
}
_LOSS = {"type": "zoo.training_hooks.ValidationLoss"}
_GUARD = {"type": "zoo.training_hooks.StopOnNonFiniteLoss"}
_STAGES = {
    "type": "zoo.training_hooks.StagedTraining",
    "stages": [
        {"name": "heads", "train": ["*_head*"], "until": 1},
        {"name": "all", "train": ["*"], "until": EPOCHS, "lr": 5e-4},
    ],
}
ARMS: dict[str, dict[str, Any]] = {
    "semantic, steps": {"task": "semantic", "by_epoch": False},
    "semantic, steps, 2 workers": {
        "task": "semantic",
        "by_epoch": False,
        "workers": 2,
        "hooks": [_EMA, _LOSS, _GUARD],
        "accumulate": 3,
    },
    "semantic, steps, saved by the first validation": {
        "task": "semantic",
        "by_epoch": False,
        "schedule": _PLATEAU,
        "hooks": [_EMA, _LOSS],
        "accumulate": 3,  # the first validation, after step 4, comes between two updates
        "saves": 100,
    },
    "semantic, epochs": {
        "task": "semantic",
        "by_epoch": True,
        "schedule": _PLATEAU,
        "hooks": [_EMA, _LOSS, _STAGES],
        "accumulate": 4,
    },
    "semantic, epochs, 2 workers": {
        "task": "semantic",
        "by_epoch": True,
        "workers": 2,
        "hooks": [_LOSS, _GUARD],
        "every": 2,
    },
    "semantic, epochs, persistent workers": {
        "task": "semantic",
        "by_epoch": True,
        "workers": 2,
        "persistent": True,
        "hooks": [_LOSS, _STAGES, _STOP],
    },
    "instance, epochs": {
        "task": "instance",
        "by_epoch": True,
        "hooks": [_EMA, _LOSS, _STAGES],
    },
    "instance, steps, 2 workers": {
        "task": "instance",
        "by_epoch": False,
        "workers": 2,
        "hooks": [_LOSS, _GUARD],
        "accumulate": 2,
        "balanced": True,
    },
    "instance, steps, saved by the first validation": {
        "task": "instance",
        "by_epoch": False,
        "hooks": [_EMA, _LOSS],
        "accumulate": 3,
        "saves": 100,
    },
}


def write_pictures(
    root: Path,
    *,
    train: int = COUNTS["train"],
    val: int = COUNTS["val"],
    size_px: int = SIZE_PX,
    sides_px: tuple[int, int] = (14, 28),
    big_px: int = 24,
) -> Path:
    """Write pictures with a bright square each, as masks and as COCO JSON; return the folder.

    Args:
        root: The folder; created.
        train: Pictures of the training split.
        val: Pictures of the validation split.
        size_px: Side length of a picture.
        sides_px: The least side length of a square, and one above the largest.
        big_px: A square with a longer side is of a class of its own.
    """
    import cv2
    import numpy as np

    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    categories = [{"id": 1, "name": "square"}]
    if big_px < sides_px[1]:
        categories.append({"id": 2, "name": "big"})
    low, high = (4, 4, sides_px[0]), (*(size_px - sides_px[1] - 2,) * 2, sides_px[1])
    for split, count in {"train": train, "val": val}.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(count):
            name = f"{split}{number}"
            x, y, side = (int(v) for v in rng.integers(low, high))
            mask = np.zeros((size_px, size_px), np.uint8)
            mask[y : y + side, x : x + side] = 1
            image = rng.integers(0, 80, (size_px, size_px, 3), np.uint8) + 150 * mask[..., None]
            cv2.imwrite(str(root / "images" / f"{name}.png"), image.astype(np.uint8))
            cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
            size = {"width": size_px, "height": size_px}
            images.append({"id": number, "file_name": f"{name}.png", **size})
            outline = [x, y, x + side, y, x + side, y + side, x, y + side]
            kind = 2 if side > big_px else 1
            one = {"id": number, "image_id": number, "category_id": kind, "iscrowd": 0}
            box = {"bbox": [x, y, side, side], "area": side**2, "segmentation": [outline]}
            annotations.append(one | box)
        names = "\n".join(f"{split}{number}" for number in range(count))
        (root / f"{split}.txt").write_text(names, encoding="utf-8")
        document = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")
    return root


def write_arm(arm: str, pictures: Path, path: Path) -> Path:
    """Write the config of an arm, and return its path.

    Args:
        arm: One of `ARMS`.
        pictures: As `write_pictures` wrote them.
        path: The file to write.
    """
    facts = ARMS[arm]
    make = _semantic if facts["task"] == "semantic" else _instance
    config = {**make(pictures, facts), **_run(facts)}
    path.write_text("\n".join(f"{k} = {v!r}" for k, v in config.items()) + "\n", encoding="utf-8")
    return path


def _run(facts: dict[str, Any]) -> dict[str, Any]:
    is_by_epoch = facts["by_epoch"]
    every = facts.get("every", 1)
    loop = {"type": "EpochBasedTrainLoop", "max_epochs": EPOCHS, "val_interval": every}
    if not is_by_epoch:
        loop = {"type": "IterBasedTrainLoop", "max_iters": STEPS, "val_interval": 4}
    best = ("mIoU", "greater") if facts["task"] == "semantic" else ("val/loss", "less")
    return {
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": 2e-3, "weight_decay": 0.1},
            "clip_grad": {"max_norm": 1.0},
            "accumulative_counts": facts.get("accumulate", 1),
        },
        "param_scheduler": facts.get("schedule", _WARM),
        "train_cfg": loop,
        "val_cfg": {"type": "ValLoop"},
        "default_hooks": {
            "logger": {"type": "LoggerHook", "interval": 1, "log_metric_by_epoch": is_by_epoch},
            "checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": is_by_epoch,
                "interval": facts.get("saves", 1 if is_by_epoch else 3),
                "max_keep_ckpts": 2,
                "save_best": best[0],
                "rule": best[1],
            },
        },
        "custom_hooks": facts.get("hooks", []),
        "log_processor": {"by_epoch": is_by_epoch},
        "visualizer": {
            "type": "mmengine.Visualizer",
            "vis_backends": [{"type": "LocalVisBackend"}],
            "name": "visualizer",
        },
        "env_cfg": {"mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0}},
        "randomness": {"seed": 1},
        "log_level": "WARNING",
    }


def _loader(
    facts: dict[str, Any], dataset: dict[str, Any], *, is_train: bool = False
) -> dict[str, Any]:
    workers = facts.get("workers", 0) if is_train else 0
    kind = "DefaultSampler" if facts["by_epoch"] or not is_train else "InfiniteSampler"
    return {
        "batch_size": 2,
        "num_workers": workers,
        "persistent_workers": bool(workers and facts.get("persistent")),
        "sampler": {"type": kind, "shuffle": is_train},
        "drop_last": is_train,
        "dataset": dataset,
    }


def _semantic(root: Path, facts: dict[str, Any]) -> dict[str, Any]:
    image, labels = {"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}
    pack = {"type": "PackSegInputs"}
    random = [
        {"type": "RandomCrop", "crop_size": (32, 32)},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PhotoMetricDistortion"},
    ]
    dataset = {
        "type": "BaseSegDataset",
        "data_root": str(root),
        "img_suffix": ".png",
        "seg_map_suffix": ".png",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": ["ground", "square"], "palette": [[0, 0, 0], [255, 196, 0]]},
    }
    train = {**dataset, "ann_file": "train.txt", "pipeline": [image, labels, *random, pack]}
    val = {**dataset, "ann_file": "val.txt", "pipeline": [image, labels, pack]}
    return {
        "default_scope": "mmseg",
        "model": unet(),
        "train_dataloader": _loader(facts, train, is_train=True),
        "val_dataloader": _loader(facts, val),
        "val_loss_dataloader": _loader(facts, val),
        "val_evaluator": {"type": "IoUMetric"},
    }


def _instance(root: Path, facts: dict[str, Any]) -> dict[str, Any]:
    image = {"type": "LoadImageFromFile"}
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip")
    pack = {"type": "PackDetInputs", "meta_keys": keys}
    resize = {"type": "Resize", "scale": (SIZE_PX, SIZE_PX), "keep_ratio": True}
    random = [
        {"type": "RandomResize", "scale": (SIZE_PX, SIZE_PX), "ratio_range": (0.8, 1.25)},
        {"type": "RandomFlip", "prob": 0.5},
    ]
    dataset = {
        "type": "CocoDataset",
        "data_root": str(root),
        "data_prefix": {"img": "images"},
        "metainfo": {"classes": ("square", "big"), "palette": [(255, 196, 0), (0, 90, 200)]},
    }
    train: dict[str, Any] = {**dataset, "ann_file": "train.json"}
    train["pipeline"] = [image, labels, *random, pack]
    if facts.get("balanced"):
        train = {"type": "ClassBalancedDataset", "oversample_thr": 0.9, "dataset": train}
    val = {**dataset, "ann_file": "val.json", "test_mode": True}
    return {
        "default_scope": "mmdet",
        "model": mask_rcnn(),
        "train_dataloader": _loader(facts, train, is_train=True),
        "val_dataloader": _loader(facts, {**val, "pipeline": [image, resize, labels, pack]}),
        "val_loss_dataloader": _loader(facts, {**val, "pipeline": [image, labels, resize, pack]}),
        "val_evaluator": {
            "type": "CocoMetric",
            "ann_file": str(root / "val.json"),
            "metric": ["segm"],
        },
    }


def plain(value: Any) -> Any:
    """Return a checkpoint's value in a form that compares by value, tensors by their bytes.

    Args:
        value: Value of a checkpoint.
    """
    if hasattr(value, "numpy"):
        return (str(value.dtype), tuple(value.shape), value.cpu().numpy().tobytes())
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return repr(value)


def end_of(folder: Path) -> dict[str, Any]:
    """Return the final state of a run, in values that compare: weights, optimizer, curves, best.

    Args:
        folder: Work dir of the run.
    """
    from zoo import read_run
    from zoo.engine.checkpoints.kept import find_best_checkpoint, find_checkpoint
    from zoo.engine.checkpoints.pickles import read_pickled

    found, best = find_checkpoint(folder), find_best_checkpoint(folder)
    if found is None or best is None:
        return {"files": sorted(path.name for path in folder.glob("*.pth"))}
    tree, run = read_pickled(found), read_run(folder)
    info = tree["message_hub"]["runtime_info"]
    keys = ("state_dict", "optimizer", "param_schedulers", "ema_state_dict", "zoo_gradients")
    curves = {"losses": run.losses, "val losses": run.val_losses, "metrics": run.metrics}
    return {
        **{key: plain(tree.get(key)) for key in keys},
        **{name: plain(dict(one)) for name, one in curves.items()},
        "rates": plain(dict(run.rates)),
        "steps": (tree["meta"]["epoch"], tree["meta"]["iter"]),
        "best": (best.name, plain(read_pickled(best)["state_dict"])),
        "best score": repr(info.get("best_score")),
        "files": sorted(path.name for path in folder.glob("*.pth")),
        "half written": sorted(path.name for path in folder.glob(".*.part")),
    }
