# SPDX-License-Identifier: Apache-2.0
"""From reading a config to the first step, what is wrong ends in one message with key and cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ConfigError, ZooError

pytestmark = pytest.mark.mm


@pytest.fixture
def start(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., ZooError]:
    """Return a function that trains a spoilt config, and gives the error that it ends in."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.train import train

    def train_spoilt(options: tuple[str, ...], parts: dict[str, Any]) -> None:
        work_dir = tmp_path / "run"
        config = read_config(
            squares_config, cfg_options=options, data=squares_data, work_dir=work_dir
        )
        config.merge_from_dict(parts)
        train(config)

    def run(*options: str, **parts: Any) -> ZooError:
        with pytest.raises(ZooError) as caught:
            train_spoilt(options, parts)
        assert caught.value.hint, str(caught.value)
        return caught.value

    return run


@pytest.mark.parametrize(
    ("options", "message", "key", "hint"),
    [
        (
            ["model.decode_head.chanels=3"],
            "BaseDecodeHead.__init__() got an unexpected keyword argument 'chanels'.",
            "model.decode_head.chanels",
            "did you mean channels",
        ),
        (["train_cfg.max_iters=-1"], "train_cfg.max_iters is -1, expected", "train_cfg", "correct"),
        (["train_cfg.val_interval=0"], "val_interval is 0, expected", "train_cfg", "correct"),
        (["train_dataloader.batch_size=0"], "batch_size is 0, expected", "train_data", "correct"),
        (["train_dataloader.batch_size=2.5"], "batch_size is 2.5, expected", "train_", "correct"),
        (
            ["train_cfg.max_epochs=1"],
            "unexpected keyword argument 'max_epochs'",
            "train_cfg.max_epochs",
            "did you mean ",
        ),
        (
            ["optim_wrapper.optimizer.lrr=1"],
            "Adam.__init__() got an unexpected keyword argument 'lrr'",
            "optim_wrapper.optimizer.lrr",
            "did you mean lr?",
        ),
        (
            ["optim_wrapper.optimizer.lr=-1"],
            "ValueError: Invalid learning rate: -1",
            "optim_wrapper.optimizer",
            "correct that part",
        ),
        (["model.backbone.base_channels=-3"], "RuntimeError: ", "model.backbone", "correct"),
        (["model.backbone=5"], "TypeError: ", "model", "correct that part"),
        (["model=5"], "model is 5, expected a dict", "model", "correct model"),
        (["train_dataloader=x"], "train_dataloader is 'x', expected a dict", "train_", "correct"),
        (["train_dataloader.dataset=None"], "has no dataset", "train_dataloader", "give"),
        (["visualizer.name=5"], "AssertionError: ", "visualizer", "correct that part"),
        (["custom_hooks=3"], "custom_hooks is 3, expected a list", "custom_hooks", "correct"),
        (
            ["optim_wrapper.optimizer.type="],
            "no optimizer named ''",
            "optim_wrapper",
            "write types of plugins",
        ),
        (
            ["visualizer.vis_backends.0.type=WandbVisBackend"],
            'ImportError: Please run "pip install wandb" to install wandb',
            "visualizer",
            "pip install wandb, or remove what needs it from the config.",
        ),
        (
            ["model.decode_head.in_channels=7"],
            "cannot do the first step: model.decode_head takes 7 channels, found 4 in its input.",
            "model.decode_head",
            "set model.decode_head.in_channels=4",
        ),
    ],
)
def test_config_that_cannot_train_is_told_by_key_and_cause(
    start: Callable[..., ZooError], options: list[str], message: str, key: str, hint: str
) -> None:
    error = start(*options)

    assert message in error.message
    assert key in str(error.where)
    assert str(error.hint).startswith(hint)


@pytest.mark.parametrize(
    ("scheduler", "message", "key", "hint"),
    [
        (
            {"type": "PolyLR", "powerr": 2},
            "keyword argument 'powerr'",
            "powerr",
            "did you mean power",
        ),
        ({"type": "StepLR"}, "missing 1 required", "param_scheduler", "correct"),
        ({"type": "PolyLR", "begin": 9, "end": 3}, "end should be larger", "param_sch", "correct"),
        ({"type": "LinearLR", "start_factor": 7}, "factor", "param_scheduler", "correct"),
        ({"type": "LinearLR", "end": "x", "by_epoch": False}, "", "param_scheduler", "correct"),
        (7, "param_scheduler is 7, expected a dict or a list", "param_scheduler", "correct"),
    ],
    ids=["argument", "missing", "order", "factor", "text", "number"],
)
def test_scheduler_that_cannot_be_is_told_by_key_and_cause(
    start: Callable[..., ZooError], scheduler: Any, message: str, key: str, hint: str
) -> None:
    """mmengine builds them when training has begun already."""
    error = start(param_scheduler=scheduler)

    assert message in error.message
    assert key in str(error.where)
    assert str(error.hint).startswith(hint)


def test_package_that_a_transform_needs_is_named(
    start: Callable[..., ZooError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmdet raises a bare RuntimeError where albumentations is not installed."""
    import mmdet.datasets.transforms.transforms as transforms

    monkeypatch.setattr(transforms, "albumentations", None)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "mmdet.Albu", "transforms": []}]

    error = start(**{"train_dataloader.dataset.dataset.pipeline": pipeline})

    assert error.message == (
        "cannot build from the config: RuntimeError: albumentations is not installed."
    )
    assert "train_dataloader.dataset.dataset.pipeline.1" in str(error.where)
    assert error.hint == "pip install albumentations, or remove what needs it from the config."


@pytest.mark.slow
def test_batch_of_one_image_with_global_pooling_is_refused_with_its_head(
    start: Callable[..., ZooError],
) -> None:
    """Also where only the last batch of an epoch is that small."""
    head = {
        "_delete_": True,
        "type": "ASPPHead",
        "in_channels": 4,
        "in_index": 2,
        "channels": 4,
        "dilations": (1, 2),
        "num_classes": 2,
        "norm_cfg": {"type": "BN"},
        "loss_decode": {"type": "CrossEntropyLoss"},
    }
    epochs = {"_delete_": True, "type": "EpochBasedTrainLoop", "max_epochs": 2}
    ends = {"train_dataloader.dataset.dataset.indices": 5, "train_dataloader.batch_size": 3}
    sampler = {"train_dataloader.sampler": {"type": "DefaultSampler", "shuffle": False}}

    first = start("train_dataloader.batch_size=1", **{"model.decode_head": head})
    last = start(**{"model.decode_head": head, "train_cfg": epochs, **sampler, **ends})

    for error in (first, last):
        assert error.message == (
            "cannot train with one image in a batch: the batch norm of model.decode_head gets "
            "one value per channel, which has no variance."
        )
        assert error.where == "model.decode_head and train_dataloader.batch_size"
        assert "train_dataloader.drop_last=True" in str(error.hint)


@pytest.mark.slow
def test_error_after_the_first_step_keeps_its_class(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    """A bug that shows in the middle of a run is not the config's."""
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS

    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.train import train

    @HOOKS.register_module(force=True)
    class FailsAt(Hook):  # type: ignore[misc]
        def __init__(self, step: int) -> None:
            self.step = step

        def before_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
            if runner.iter == self.step:
                message = "a bug"
                raise RuntimeError(message)

    def run(step: int) -> None:
        config = read_config(squares_config, data=squares_data, work_dir=tmp_path / str(step))
        config.custom_hooks = [{"type": "mmengine.FailsAt", "step": step}]
        train(config)

    with pytest.raises(ConfigError, match="cannot do the first step: RuntimeError: a bug") as first:
        run(0)
    with pytest.raises(RuntimeError, match="a bug"):
        run(2)

    assert str(first.value.where).startswith("custom_hooks.0 in ")


@pytest.mark.slow
def test_error_in_a_worker_is_told_in_the_worker_s_words(start: Callable[..., ZooError]) -> None:
    """torch hands on a page of traceback."""
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (32, "x")}]
    loader = "train_dataloader"

    error = start(f"{loader}.num_workers=1", **{f"{loader}.dataset.dataset.pipeline": pipeline})

    assert "Traceback" not in str(error)
    assert "worker process" not in str(error)
    assert error.message.startswith("cannot do the first step: ")
