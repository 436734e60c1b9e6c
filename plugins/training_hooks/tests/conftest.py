# SPDX-License-Identifier: Apache-2.0
"""A small Mask R-CNN of mmdet and a small U-Net of mmseg, with twelve pictures to train on."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drill_models import mask_rcnn, unet
from drill_runs import write_pictures

SIZE_PX = 64
SPLITS = {"train": 6, "val": 3}
_RUNS = itertools.count()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures with a bright square each, as masks and as COCO JSON; gives the folder."""
    root = tmp_path_factory.mktemp("pictures")
    sides = {"sides_px": (16, 36), "big_px": SIZE_PX}
    return write_pictures(root, **SPLITS, size_px=SIZE_PX, **sides)


def _loader(dataset: dict[str, Any], pipeline: list[dict[str, Any]], **over: Any) -> dict[str, Any]:
    is_train = over.pop("shuffle", False)
    return {
        "batch_size": 2,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": is_train},
        "dataset": {**dataset, "pipeline": pipeline, **over},
    }


@pytest.fixture
def instance_config(pictures: Path) -> dict[str, Any]:
    """Return the config of the Mask R-CNN; its ResNet freezes its first stage and its norms."""
    dataset = {
        "type": "CocoDataset",
        "data_root": str(pictures),
        "data_prefix": {"img": "images"},
        "metainfo": {"classes": ("square",), "palette": [(255, 196, 0)]},
    }
    image = {"type": "LoadImageFromFile"}
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    resize = {"type": "Resize", "scale": (96, 96), "keep_ratio": True}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip")
    pack = {"type": "PackDetInputs", "meta_keys": keys}
    val = {"ann_file": "val.json", "test_mode": True}
    return {
        "default_scope": "mmdet",
        "model": mask_rcnn(classes=1, score_thr=0.05, has_fixed_norms=True),
        "train_dataloader": _loader(
            dataset,
            [image, labels, {"type": "RandomFlip", "prob": 0.5}, pack],
            ann_file="train.json",
            shuffle=True,
        ),
        "val_dataloader": _loader(dataset, [image, resize, labels, pack], **val),
        "val_evaluator": {"type": "CocoMetric", "ann_file": str(pictures / "val.json")},
        "val_loss_dataloader": _loader(dataset, [image, labels, resize, pack], **val),
        **_schedule(),
    }


@pytest.fixture
def semantic_config(pictures: Path) -> dict[str, Any]:
    """Return the config of the U-Net, with dropout and with batch norm that trains."""
    dataset = {
        "type": "BaseSegDataset",
        "data_root": str(pictures),
        "img_suffix": ".png",
        "seg_map_suffix": ".png",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": ["ground", "square"], "palette": [[0, 0, 0], [255, 196, 0]]},
    }
    image, labels = {"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}
    resize = {"type": "Resize", "scale": (96, 96)}
    pack = {"type": "PackSegInputs"}
    losses = [
        {"type": "CrossEntropyLoss", "loss_name": "loss_ce"},
        {"type": "DiceLoss", "loss_name": "loss_dice", "loss_weight": 0.5},
    ]
    return {
        "default_scope": "mmseg",
        "model": unet(size_px=SIZE_PX, losses=losses),
        "train_dataloader": _loader(
            dataset,
            [image, labels, {"type": "RandomFlip", "prob": 0.5}, pack],
            ann_file="train.txt",
            shuffle=True,
        ),
        "val_dataloader": _loader(dataset, [image, resize, labels, pack], ann_file="val.txt"),
        "val_evaluator": {"type": "IoUMetric"},
        "val_loss_dataloader": _loader(dataset, [image, labels, resize, pack], ann_file="val.txt"),
        **_schedule(),
    }


def _schedule() -> dict[str, Any]:
    return {
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.1},
            "clip_grad": {"max_norm": 1.0},
        },
        "train_cfg": {"by_epoch": True, "max_epochs": 3, "val_interval": 1},
        "val_cfg": {},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        "randomness": {"seed": 1},
        "log_level": "ERROR",
    }


@pytest.fixture(params=["instance", "semantic"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the config of each task in turn."""
    return request.getfixturevalue(f"{request.param}_config")


@pytest.fixture
def make_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that builds a Runner of a config, with hooks and other changes."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    # A run writes its config down three times, and yapf takes longer over it than the run.
    monkeypatch.setattr(Config, "pretty_text", property(lambda self: "# not formatted\n"))

    def make(config: dict[str, Any], *hooks: Any, folder: str = "run", **changes: Any) -> Any:
        named = [hook for hook in hooks if isinstance(hook, dict)]
        whole = Config({**config, "custom_hooks": named, "work_dir": str(tmp_path / folder)})
        whole.merge_from_dict(changes)
        whole.experiment_name = f"{tmp_path.name}-{folder}-{next(_RUNS)}"
        runner = Runner.from_cfg(whole)
        for hook in hooks:
            if hook not in named:
                runner.register_hook(hook)
        return runner

    return make
