# SPDX-License-Identifier: Apache-2.0
"""EarlyStopping: by hand on generated curves, and in real runs that stop, resume and stop again."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from zoo_training_hooks.early_stopping import EarlyStopping

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def _runner(name: str, *hooks: Any) -> Any:
    hub = MessageHub(name)
    loop = SimpleNamespace(stop_training=False)
    logger = SimpleNamespace(info=lambda *words: None)
    run = {"train_loop": loop, "val_loop": object(), "message_hub": hub, "logger": logger}
    return SimpleNamespace(**run, hooks=hooks, epoch=0, iter=0)


def _expected_stop(values: list[float], patience: int, change: float, *, up: bool) -> int | None:
    """Return the number of validations after which a run ends, by the definition."""
    for end in range(1, len(values) + 1):
        best, waited = math.nan, 0
        for value in values[:end]:
            gain = (value - best) if up else (best - value)
            if not math.isnan(value) and (math.isnan(best) or gain > change):
                best, waited = value, 0
            else:
                waited += 1
        if waited >= patience:
            return end
    return None


@pytest.mark.parametrize("seed", range(40))
def test_curve_ends_after_patience_validations_without_progress(seed: int) -> None:
    """Curves with plateaus, steps back and NaN, in both directions, resumed at any time."""
    rng = random.Random(seed)
    up, patience = rng.random() < 0.5, rng.randint(1, 4)
    change = rng.choice([0.0, 0.0, 0.1, 0.5])
    values = [rng.choice([rng.random(), 0.5, 0.25, math.nan]) for _ in range(14)]
    settings = {"patience": patience, "least_change": change, "rule": "greater" if up else "less"}
    runner, hook = _runner(f"curve{seed}"), EarlyStopping("score", **settings)
    hook.before_train(runner)

    ends = None
    for number, value in enumerate(values, 1):
        if rng.random() < 0.4:  # resumed: a new hook, and the hub of the checkpoint
            hook = EarlyStopping("score", **settings)
            hook.before_train(runner)
        hook.after_val_epoch(runner, {"score": value})
        if runner.train_loop.stop_training:
            ends = number
            break

    assert _expected_stop(values, patience, change, up=up) == ends


@pytest.mark.parametrize(
    ("monitor", "first", "then"),
    [
        ("val/loss", 1.0, 2.0),
        ("val/loss_mask", 1.0, 1.0),
        ("hd95_px", 1.0, 2.0),
        ("mean_dice", 2.0, 1.0),
        ("coco/segm_mAP", 2.0, 1.0),
        ("mIoU", 2.0, 2.0),
    ],
)
def test_direction_of_a_well_known_name_is_known(monitor: str, first: float, then: float) -> None:
    runner, hook = _runner(monitor), EarlyStopping(monitor, patience=1)
    hook.before_train(runner)

    hook.after_val_epoch(runner, {monitor: first})
    assert not runner.train_loop.stop_training
    hook.after_val_epoch(runner, {monitor: then})

    assert runner.train_loop.stop_training


def test_direction_is_that_of_the_hook_that_keeps_the_best() -> None:
    keeper = CheckpointHook(save_best="gap", rule="less")
    runner, hook = _runner("keeper", keeper), EarlyStopping("gap", patience=1)
    hook.before_train(runner)

    for value in (3.0, 2.0, 1.0):
        hook.after_val_epoch(runner, {"gap": value})

    assert not runner.train_loop.stop_training


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"patience": 0}, "patience is 0, expected a whole number from 1 on"),
        ({"patience": 2.5}, "patience is 2.5, expected a whole number from 1 on"),
        ({"patience": True}, "patience is True, expected a whole number from 1 on"),
        ({"least_change": -0.1}, "least_change is -0.1, expected a number from 0 on"),
        ({"least_change": "1"}, "least_change is '1', expected a number from 0 on"),
        ({"least_change": math.nan}, "least_change is nan, expected a number from 0 on"),
        ({"rule": "up"}, "rule is 'up', expected 'greater' or 'less'"),
    ],
)
def test_setting_that_means_nothing_is_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match="cannot use EarlyStopping") as caught:
        EarlyStopping("mIoU", **settings)

    assert expected in caught.value.message


def test_name_of_unknown_direction_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="not known whether high or low") as caught:
        EarlyStopping("wobble").before_train(_runner("wobble"))

    assert caught.value.hint == "set rule='greater' or rule='less' of this hook."


def test_name_that_is_not_measured_lists_what_is() -> None:
    runner, hook = _runner("absent"), EarlyStopping("mDice")
    hook.before_train(runner)

    with pytest.raises(ConfigError) as caught:
        hook.after_val_epoch(runner, {"mIoU": 1.0, "aAcc": 2.0})

    assert caught.value.message == "cannot stop by 'mDice': validation measured mIoU, aAcc."


class _Curve(BaseMetric):
    """The values of a list, one a validation."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self._values = iter(values)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return {"mDice": next(self._values)}


@pytest.mark.slow
def test_run_stops_with_a_reason_and_keeps_its_best(
    make_runner: Callable[..., Any], semantic_config: dict[str, Any]
) -> None:
    """``make kill-drill`` kills and resumes such runs."""
    config = {**semantic_config, "train_cfg": {"by_epoch": True, "max_epochs": 5}}
    best = {"type": "CheckpointHook", "interval": 1, "save_best": "mDice"}
    config["default_hooks"] = {"checkpoint": best}
    runner = make_runner(config, EarlyStopping("mDice", patience=2))
    runner.val_loop.evaluator.metrics = [_Curve([10.0, 30.0, 20.0, 25.0, 90.0])]

    runner.train()

    reason = "mDice has not risen in the last 2 validations; its best is 30, at epoch 2"
    assert runner.epoch == 4
    assert runner.message_hub.get_info("stop_reason") == reason
    assert Path(runner.work_dir, "best_mDice_epoch_2.pth").is_file()
