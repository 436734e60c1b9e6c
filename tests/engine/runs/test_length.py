# SPDX-License-Identifier: Apache-2.0
"""Another length for a run: mmengine's own schedulers, stepped through, draw the same curve."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from zoo.engine.runs.length import Length, length_of, set_length
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_PER_EPOCH = 50  # steps
_EPOCHS = 24


def _warm(by_epoch: bool, end: int) -> dict[str, Any]:
    return {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": end, "by_epoch": by_epoch}


def _after(kind: str, by_epoch: bool, begin: int, end: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "begin": begin, "end": end, "by_epoch": by_epoch, **more}


def _schedules(by_epoch: bool, total: int) -> dict[str, list[dict[str, Any]]]:
    """Return schedules of a run, each of another family, in one unit."""
    warm = total // 8
    third, half = total // 3, total // 2
    return {
        "poly": [_warm(by_epoch, warm), _after("PolyLR", by_epoch, warm, total, eta_min=1e-3)],
        "steps": [_after("MultiStepLR", by_epoch, 0, total, milestones=[half, total - third])],
        "stairs": [_after("StepLR", by_epoch, 0, total, step_size=third)],
        "cosine": [
            _warm(by_epoch, warm),
            _after("CosineAnnealingLR", by_epoch, warm, total, T_max=total - warm, eta_min=1e-3),
        ],
        "exponential": [_after("ExponentialLR", by_epoch, 0, total, gamma=0.05 ** (1 / total))],
        "restarts": [_after("CosineRestartLR", by_epoch, 0, total, periods=[third, total - third],
                            restart_weights=[1, 0.5], eta_min=1e-3)],
    }  # fmt: skip


def _curve(config: Any, per_epoch: int = _PER_EPOCH) -> np.ndarray[Any, Any]:
    """Return the rate of each step of a run, as mmengine's schedulers set it."""
    import torch
    from mmengine.optim import scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    rows = [dict(one) for one in config.param_scheduler]
    schedulers = [getattr(scheduler, one.pop("type"))(optimizer, **one) for one in rows]
    loop = config.train_cfg
    steps = loop.get("max_iters") or loop["max_epochs"] * per_epoch
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        is_end = "max_epochs" in loop and (step + 1) % per_epoch == 0
        for one in schedulers:
            if is_end or not one.by_epoch:
                one.step()
    return np.array(rates)


def _config(is_by_epoch: bool, schedule: list[dict[str, Any]], **more: Any) -> Any:
    from mmengine.config import Config

    kind = "EpochBasedTrainLoop" if is_by_epoch else "IterBasedTrainLoop"
    end = {"max_epochs": _EPOCHS} if is_by_epoch else {"max_iters": _EPOCHS * _PER_EPOCH}
    checkpoint = {"type": "CheckpointHook", "by_epoch": is_by_epoch, "interval": 4}
    return Config(
        {
            "train_cfg": {"type": kind, "val_interval": 4, **end},
            "param_scheduler": schedule,
            "default_hooks": {"checkpoint": checkpoint, "logger": {"type": "LoggerHook"}},
            **more,
        }
    )


_WANTED = [Length("epoch", 96), Length("epoch", 12), Length("iteration", 4800)]
_WANTED += [Length("iteration", 600), Length("iteration", 1200)]


@pytest.mark.parametrize("wanted", _WANTED, ids=lambda one: f"{one.count}{one.unit}s")
@pytest.mark.parametrize("family", ["poly", "steps", "stairs", "cosine", "exponential", "restarts"])
@pytest.mark.parametrize(
    ("loop_by_epoch", "schedule_by_epoch"),
    [(True, True), (True, False), (False, False)],
    ids=["epochs", "steps-in-epochs", "steps"],
)
def test_schedule_of_another_length_is_the_same_curve(
    loop_by_epoch: bool, schedule_by_epoch: bool, family: str, wanted: Length
) -> None:
    """At each share of the run the rate is what it was there, and the curve ends with the run."""
    total = _EPOCHS if schedule_by_epoch else _EPOCHS * _PER_EPOCH
    config = _config(loop_by_epoch, _schedules(schedule_by_epoch, total)[family])
    before = _curve(config)

    new = set_length(config, length_of(config, ""), wanted, per_epoch=_PER_EPOCH)
    after = _curve(config)

    steps = wanted.count * (_PER_EPOCH if wanted.unit == "epoch" else 1)
    assert (len(after), new.unit) == (steps, "epoch" if "max_epochs" in config.train_cfg
                                      else "iteration")  # fmt: skip
    shares = (np.arange(len(before)) + 0.5) / len(before)
    moved = np.interp(shares, (np.arange(len(after)) + 0.5) / len(after), after)
    # Rounding moves a change of the rate by a unit of each run at most: what lies between two
    # curves of which one is moved so is the height of all changes by that width.
    units = [total, steps // _PER_EPOCH if schedule_by_epoch and new.unit == "epoch" else steps]
    width = sum(1 / count for count in units)
    assert np.mean(np.abs(moved - before)) <= np.abs(np.diff(before)).sum() * width
    assert after.max() == pytest.approx(before.max(), rel=0.05)
    assert abs(after[-1] - before[-1]) < 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11])
@pytest.mark.parametrize("unit", ["epoch", "iteration"])
@pytest.mark.parametrize("is_by_epoch", [True, False], ids=["epochs", "steps"])
def test_schedule_of_a_very_short_run_is_one_that_mmengine_builds(
    is_by_epoch: bool, unit: Any, count: int
) -> None:
    """No span is empty, no interval is 0, whatever the rounding."""
    total = _EPOCHS if is_by_epoch else _EPOCHS * _PER_EPOCH
    for schedule in _schedules(is_by_epoch, total).values():
        config = _config(is_by_epoch, schedule)
        set_length(config, length_of(config, ""), Length(unit, count), per_epoch=3)

        rates = _curve(config, per_epoch=3)

        assert np.isfinite(rates).all()
        assert 1 <= config.train_cfg.val_interval <= len(rates)
        assert config.default_hooks.checkpoint.interval >= 1


@pytest.mark.parametrize(
    ("is_by_epoch", "wanted", "interval"),
    [
        (True, Length("epoch", 48), 8),
        (True, Length("epoch", 3), 1),
        (True, Length("iteration", 240), 40),
        (False, Length("iteration", 2400), 8),
        (False, Length("epoch", 12), 2),
    ],
)
def test_intervals_keep_their_share(is_by_epoch: bool, wanted: Length, interval: int) -> None:
    """Validation and checkpoints come as often as before, in the unit of the loop."""
    config = _config(is_by_epoch, [])

    new = set_length(config, length_of(config, ""), wanted, per_epoch=_PER_EPOCH)

    checkpoint = config.default_hooks.checkpoint
    assert (config.train_cfg.val_interval, checkpoint.interval) == (interval, interval)
    assert checkpoint.by_epoch == (new.unit == "epoch")
    assert config.get("log_processor", {}).get("by_epoch", True) == (
        new.unit == "epoch" or not is_by_epoch
    )


def test_a_loop_by_steps_takes_epochs_as_steps_and_stays_one() -> None:
    config = _config(False, [])

    new = set_length(config, length_of(config, ""), Length("epoch", 7), per_epoch=13)

    assert new == Length("iteration", 91)
    assert config.train_cfg.type == "IterBasedTrainLoop"
    assert config.train_cfg.max_iters == 91


@pytest.mark.parametrize(("epochs", "ends"), [(48, [12, 24, 48]), (8, [2, 4, 8]), (2, [1, 2, 3])])
def test_stages_of_a_hook_keep_their_shares_and_their_order(epochs: int, ends: list[int]) -> None:
    """Each keeps an epoch of its own, beyond the end of a run that is too short for all."""
    stages = [{"name": str(end), "until": end} for end in (6, 12, 24)]
    config = _config(True, [], custom_hooks=[{"type": "Any", "stages": stages}])

    set_length(config, length_of(config, ""), Length("epoch", epochs))

    assert [stage.until for stage in config.custom_hooks[0].stages] == ends


def test_hook_that_counts_epochs_moves_with_them_and_refuses_steps() -> None:
    hooks = [{"type": "PipelineSwitchHook", "switch_epoch": 20}]
    config = _config(True, [], custom_hooks=hooks)
    other = copy.deepcopy(config)

    set_length(config, length_of(config, ""), Length("epoch", 48))
    with pytest.raises(ConfigError) as caught:
        set_length(other, length_of(other, ""), Length("iteration", 99), per_epoch=_PER_EPOCH)

    assert config.custom_hooks[0].switch_epoch == 40
    assert "the hook PipelineSwitchHook of this config counts epochs" in caught.value.message
    assert (caught.value.where, caught.value.hint) == (
        "custom_hooks.0.switch_epoch",
        "give --epochs.",
    )


def test_dynamic_intervals_of_upstream_move_too() -> None:
    """Mask2Former validates once more after its last whole interval."""
    config = _config(False, [])
    config.train_cfg.dynamic_intervals = [(1001, 1200)]

    set_length(config, length_of(config, ""), Length("iteration", 12000))

    assert config.train_cfg.dynamic_intervals == [(10010, 12000)]


@pytest.mark.parametrize(
    ("loop", "found"),
    [
        ({"type": "OwnLoop", "max_iters": 5}, "the training loop 'OwnLoop'"),
        ({"max_iters": 5}, "no type of the training loop"),
        ({"type": "IterBasedTrainLoop"}, "max_iters None"),
        ({"by_epoch": True, "max_iters": 5}, "max_epochs None"),
    ],
)
def test_loop_of_another_kind_is_refused(loop: dict[str, Any], found: str) -> None:
    from mmengine.config import Config

    with pytest.raises(ConfigError, match="cannot use --epochs") as caught:
        length_of(Config({"train_cfg": loop}), "--epochs")

    assert found in caught.value.message


@pytest.mark.parametrize(("by_epoch", "unit"), itertools.product([True], ["epoch", "iteration"]))
def test_loop_without_a_type_is_known_by_its_unit(by_epoch: bool, unit: Any) -> None:
    """mmengine takes ``by_epoch`` in place of a type."""
    from mmengine.config import Config

    config = Config({"train_cfg": {"by_epoch": by_epoch, "max_epochs": 4}})

    new = set_length(config, length_of(config, ""), Length(unit, 8), per_epoch=3)

    assert new == Length(unit, 8)
    assert config.train_cfg.by_epoch == (unit == "epoch")
