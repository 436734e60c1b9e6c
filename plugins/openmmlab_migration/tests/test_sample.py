# SPDX-License-Identifier: Apache-2.0
"""A sample of 130 old configs: migrated, written, read by mmengine, built, trained for a step."""

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from zoo_openmmlab_migration.checking import check_values
from zoo_openmmlab_migration.configs.migration import MigratedConfig, migrate_config
from zoo_openmmlab_migration.reading.files import read_config
from zoo_openmmlab_migration.writing import config_text

_NUMBERS = range(120)
_QUICK = (0, 1, 3, 5, 8, 13)
# One of each architecture, on data that the fixture can write.
_TRAINED = (
    *("fcn_unet", "pspnet", "upernet_swin", "segformer", "ocrnet", "upernet_vit"),
    *("faster_rcnn", "faster_rcnn_apart", "mask_rcnn", "retinanet", "yolox", "detr"),
    "mask2former",
)


def _migrated(old: Any, folder: Path) -> MigratedConfig:
    return migrate_config(read_config(old.write(folder)))


def _written(made: MigratedConfig, file: Path) -> Any:
    from mmengine.config import Config

    file.write_text(config_text(made.values, ["A config."]), encoding="utf-8")
    return Config.fromfile(file)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _build(config: Any) -> Any:
    """Build the model, the pipelines, the optimizer and the schedule."""
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import PARAM_SCHEDULERS, init_default_scope

    scope = config.default_scope
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        init_default_scope(scope)
        registry = __import__(f"{scope}.registry", fromlist=["registry"])
        utils = __import__(f"{scope}.utils", fromlist=["utils"])
        utils.register_all_modules(init_default_scope=False)
        model_config = config.model.copy()
        if "pretrained" in model_config:
            model_config.pretrained = None
        model = registry.MODELS.build(_without_sync(model_config))
        for split in ("train", "val", "test"):
            for pipeline in _pipelines(config[f"{split}_dataloader"].dataset):
                for step in pipeline:
                    registry.TRANSFORMS.build(step)
        for step in config.get("tta_pipeline") or []:
            registry.TRANSFORMS.build(step)
        wrapper_config = config.optim_wrapper.copy()
        if wrapper_config.type == "AmpOptimWrapper":
            wrapper_config.type = "OptimWrapper"
            wrapper_config.pop("loss_scale")
        wrapper = build_optim_wrapper(model, wrapper_config)
        schedulers = []
        for each in config.get("param_scheduler") or []:
            kwargs = dict(each)
            if kwargs.pop("convert_to_iter_based", False):
                kind = PARAM_SCHEDULERS.get(kwargs.pop("type"))
                schedulers.append(kind.build_iter_from_epoch(wrapper, epoch_length=3, **kwargs))
            else:
                schedulers.append(
                    PARAM_SCHEDULERS.build(kwargs, default_args={"optimizer": wrapper})
                )
        return model, wrapper, schedulers


def _without_sync(config: Any) -> Any:
    """Let SyncBN run on one CPU."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "type" and value == "SyncBN":
                config[key] = "BN"
            else:
                _without_sync(value)
    elif isinstance(config, (list, tuple)):
        for each in config:
            _without_sync(each)
    return config


def _pipelines(dataset: Any) -> list[Any]:
    found = [dataset.pipeline] if "pipeline" in dataset else []
    for key in ("dataset", "datasets"):
        inner = dataset.get(key) or []
        for each in inner if isinstance(inner, list) else [inner]:
            found += _pipelines(each)
    return found


def _check(number: int, old_configs: ModuleType, folder: Path) -> None:
    old = old_configs.sample()[number]

    made = _migrated(old, folder)
    check_values(made.family, made.values, made.ledger)
    config = _written(made, folder / "new.py")
    written = _plain(config.to_dict())
    _build(config)

    assert made.family == old.family
    assert made.ledger.lost == []
    assert {key: written[key] for key in made.values} == _plain(made.values)


@pytest.mark.mm
@pytest.mark.parametrize("number", _QUICK)
def test_old_config_of_the_sample_is_carried_whole(
    number: int, old_configs: ModuleType, tmp_path: Path
) -> None:
    """Nothing is lost; what was written is what was made; and all of it can be built."""
    _check(number, old_configs, tmp_path)


@pytest.mark.slow
@pytest.mark.mm
def test_every_old_config_of_the_sample_is_carried_whole(
    old_configs: ModuleType, tmp_path: Path
) -> None:
    """The share that docs/guide/migrate.md states: 120 of 120, beside the ten odd ones."""
    for number in _NUMBERS:
        folder = tmp_path / str(number)
        folder.mkdir()
        _check(number, old_configs, folder)


@pytest.mark.parametrize(
    "name",
    [
        *("validation_loss", "own_hook", "own_runner", "own_transform", "resumed", "own_metric"),
        *("exponential_warm_up", "floored_steps", "relative_sizes", "pavi"),
    ],
)
@pytest.mark.mm
def test_odd_config_says_what_is_not_carried(
    name: str, old_configs: ModuleType, tmp_path: Path
) -> None:
    """Each is named with its key, a reason and something to do; the rest is carried."""
    old, key = old_configs.ODD[name]

    made = _migrated(old, tmp_path)
    check_values(made.family, made.values, made.ledger)

    lost = [entry for entry in made.ledger.lost if entry.key.startswith(key)]
    assert lost, [entry.key for entry in made.ledger.lost]
    assert all(entry.text and entry.hint for entry in lost)
    assert {"model", "train_dataloader", "optim_wrapper"} <= made.values.keys()


@pytest.mark.slow
@pytest.mark.mm
@pytest.mark.parametrize("model", _TRAINED)
def test_migrated_config_trains_for_a_step(
    model: str, old_configs: ModuleType, pictures: Path, tmp_path: Path
) -> None:
    """The runner of mmengine takes one step on pictures, with a finite loss."""
    import numpy as np
    from mmengine.runner import Runner

    old = next(
        each
        for each in old_configs.sample(600, seed=3)
        if each.traits[0] == model
        and each.traits[1] in ("custom", "custom_coco")
        and each.traits[7] not in ("fp16", "apex", "loaded")
    )
    config = _written(_migrated(old, tmp_path), tmp_path / "new.py")
    _use(config, pictures, tmp_path)
    losses: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = Runner.from_cfg(config)
        step = runner.model.train_step

        def noted(*args: Any, **kwargs: Any) -> Any:
            logged = step(*args, **kwargs)
            losses.append(float(logged["loss"]))
            return logged

        runner.model.train_step = noted
        runner.train()

    assert losses
    assert np.isfinite(losses).all()


def _use(config: Any, pictures: Path, work_dir: Path) -> None:
    """Point a config at the pictures, and let it take a step without validation."""
    _without_sync(config.model)
    _replace_root(config.train_dataloader, str(pictures))
    config.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": False}
    config.train_dataloader.batch_size = 2
    for key in ("val_dataloader", "val_evaluator", "val_cfg", "test_dataloader", "test_evaluator"):
        config[key] = None
    config.test_cfg = None
    config.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 1}
    config.param_scheduler = None
    config.default_hooks.pop("visualization")
    config.visualizer.vis_backends = []
    config.default_hooks.checkpoint = {"type": "CheckpointHook", "interval": 99}
    config.custom_hooks = []
    config.env_cfg.dist_cfg = {"backend": "gloo"}
    config.work_dir = str(work_dir / "work")
    backbone = config.model.backbone
    backbone.init_cfg = None
    if "pretrained" in config.model:
        config.model.pretrained = None


def _replace_root(value: Any, root: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "data_root":
                value[key] = f"{root}/"
            else:
                _replace_root(item, root)
    elif isinstance(value, list):
        for each in value:
            _replace_root(each, root)
