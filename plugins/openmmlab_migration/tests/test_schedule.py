# SPDX-License-Identifier: Apache-2.0
"""The learning rate at each step is the one that mmcv 1.x computed, or one iteration ahead."""

import math
import warnings
from typing import Any

import pytest
from zoo_openmmlab_migration.configs.schedule import migrate_schedule
from zoo_openmmlab_migration.configs.work import Work

_BASE = 0.02
_STEPS = 60
_PER_EPOCH = 5


def _mmcv(config: dict[str, Any], step: int, *, by_epoch: bool) -> float:
    """Return the rate of mmcv 1.x: the schedule, times the warm-up.

    Source: formulas of ``mmcv/runner/hooks/lr_updater.py`` of mmcv 1.7.
    """
    counted = config.get("by_epoch", by_epoch)
    length = _STEPS // _PER_EPOCH if counted else _STEPS
    progress = step // _PER_EPOCH if counted else step
    policy = config["policy"]
    if policy == "poly":
        least = config.get("min_lr", 0.0)
        share = (1 - progress / length) ** config.get("power", 1.0)
        rate = (_BASE - least) * share + least
    elif policy == "CosineAnnealing":
        least = config.get("min_lr", _BASE * config.get("min_lr_ratio", 0.0))
        rate = least + 0.5 * (_BASE - least) * (1 + math.cos(math.pi * progress / length))
    elif policy == "step":
        steps = config["step"]
        gamma = config.get("gamma", 0.1)
        done = (
            progress // steps if isinstance(steps, int) else sum(progress >= each for each in steps)
        )
        rate = _BASE * gamma**done
    elif policy == "exp":
        rate = _BASE * config["gamma"] ** progress
    else:
        rate = _BASE
    warm = config.get("warmup_iters", 0)
    if config.get("warmup") and config.get("warmup_by_epoch"):
        warm *= _PER_EPOCH
    if not config.get("warmup") or step >= warm:
        return rate
    ratio = config["warmup_ratio"]
    if config["warmup"] == "constant":
        return rate * ratio
    return rate * (1 - (1 - step / warm) * (1 - ratio))


def _ours(config: dict[str, Any], *, by_epoch: bool) -> list[float]:
    """Return the rates that mmengine gives with the migrated schedule."""
    import torch
    from mmengine.optim import scheduler as _registered  # noqa: F401
    from mmengine.registry import PARAM_SCHEDULERS

    work = Work("mmdet", {"lr_config": dict(config)}, by_epoch=by_epoch)
    work.length = _STEPS // _PER_EPOCH if by_epoch else _STEPS
    work.new["optim_wrapper"] = {"optimizer": {"lr": _BASE}}
    migrate_schedule(work)
    assert work.ledger.lost == []
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=_BASE)
    schedulers = []
    for each in work.new.get("param_scheduler", []):
        kwargs = dict(each)
        kind = PARAM_SCHEDULERS.get(kwargs.pop("type"))
        if kwargs.pop("convert_to_iter_based", False):
            made = kind.build_iter_from_epoch(optimizer, epoch_length=_PER_EPOCH, **kwargs)
        else:
            made = kind(optimizer, **kwargs)
        schedulers.append(made)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants an optimizer step first
        for step in range(_STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            for each in schedulers:
                ends_epoch = (step + 1) % _PER_EPOCH == 0
                if not each.by_epoch or ends_epoch:
                    each.step()
    return rates


_WARM = {"warmup": "linear", "warmup_iters": 7, "warmup_ratio": 0.001}
_CONSTANT = {"warmup": "constant", "warmup_iters": 6, "warmup_ratio": 1 / 3}


@pytest.mark.mm
@pytest.mark.parametrize("by_epoch", [True, False], ids=["epochs", "iters"])
@pytest.mark.parametrize(
    "config",
    [
        {"policy": "fixed"},
        {"policy": "poly", "power": 0.9, "min_lr": 1e-4},
        {"policy": "poly", "power": 1.0, "min_lr": 0.0, **_WARM},
        {"policy": "poly", "power": 0.9, **_CONSTANT},
        {"policy": "step", "step": [3, 5]},
        {"policy": "step", "step": [3, 5], "gamma": 0.2, **_WARM},
        {"policy": "step", "step": 4, "gamma": 0.5, **_CONSTANT},
        {"policy": "CosineAnnealing", "min_lr_ratio": 0.01},
        {"policy": "CosineAnnealing", "min_lr": 0.0, **_WARM},
        {"policy": "exp", "gamma": 0.9},
        {"policy": "fixed", **_WARM},
    ],
    ids=lambda config: "-".join(str(v) for v in config.values()),
)
def test_rate_of_every_step_is_that_of_mmcv(config: dict[str, Any], by_epoch: bool) -> None:
    """Cosines and steps are equal; warm-ups and polynomials are one iteration ahead."""
    old = [_mmcv(config, step, by_epoch=by_epoch) for step in range(_STEPS)]

    ours = _ours(config, by_epoch=by_epoch)

    if (config["policy"] != "poly" or by_epoch) and not config.get("warmup"):
        assert ours == pytest.approx(old, abs=1e-9 * _BASE, rel=1e-9)
    for step, rate in enumerate(ours[:-1]):
        change = abs(old[step + 1] - old[step]) + abs(old[step] - old[step - 1 if step else 0])
        assert abs(rate - old[step]) <= 1.5 * change + 1e-9 * _BASE


@pytest.mark.mm
def test_schedule_by_iterations_in_a_run_by_epochs_is_converted_by_mmengine() -> None:
    """A smooth schedule per iteration cannot know how many iterations an epoch has."""
    config = {"policy": "poly", "power": 0.9, "min_lr": 1e-4, "by_epoch": False}
    old = [_mmcv(config, step, by_epoch=True) for step in range(_STEPS)]

    assert _ours(config, by_epoch=True) == pytest.approx(old, abs=2 * _BASE / _STEPS)


@pytest.mark.mm
@pytest.mark.parametrize("by_epoch", [True, False], ids=["epochs", "iters"])
@pytest.mark.parametrize("share", [0.4, 0.25])
def test_cycle_counts_iterations_even_in_a_run_by_epochs(share: float, by_epoch: bool) -> None:
    """Its turn may lie within an epoch, and comes an iteration late.

    Source: CyclicLrUpdaterHook of mmcv 1.7.
    """
    config = {"policy": "cyclic", "target_ratio": (10, 1e-4), "step_ratio_up": share}
    turn = int(share * _STEPS)

    ours = _ours(config, by_epoch=by_epoch)

    for step, rate in enumerate(ours):
        first, last, begin, end = (
            (1.0, 10.0, 0, turn) if step < turn else (10.0, 1e-4, turn, _STEPS)
        )
        part = (1 + math.cos(math.pi * (step - begin) / (end - begin))) / 2
        assert rate == pytest.approx(_BASE * (last + (first - last) * part), rel=0.02, abs=2e-3)


@pytest.mark.mm
def test_one_cycle_counts_iterations_even_in_a_run_by_epochs() -> None:
    """Within the first epoch, the rate rises already."""
    ours = _ours({"policy": "OneCycle", "max_lr": 0.1}, by_epoch=True)

    assert len(set(ours[:_PER_EPOCH])) == _PER_EPOCH


@pytest.mark.mm
@pytest.mark.parametrize("least", [1e-8, 1e-3, 1e-2])
@pytest.mark.parametrize("policy", ["poly", "CosineAnnealing"])
def test_lowest_rate_under_a_warm_up_is_near_or_named(policy: str, least: float) -> None:
    """mmengine's schedulers go on from each other's rates, and mmcv multiplied."""
    config = {"policy": policy, "min_lr": least, **_WARM, "warmup_iters": 30}
    work = Work("mmdet", {"lr_config": dict(config)}, by_epoch=False)
    work.length = _STEPS
    work.new["optim_wrapper"] = {"optimizer": {"lr": _BASE}}
    migrate_schedule(work)

    if least >= 1e-3:
        assert [entry.key for entry in work.ledger.lost] == ["lr_config.min_lr"]
    else:
        old = [_mmcv(config, step, by_epoch=False) for step in range(_STEPS)]
        late = [_mmcv(config, min(s + 1, _STEPS - 1), by_epoch=False) for s in range(_STEPS)]
        pairs = zip(_ours(config, by_epoch=False), old, late, strict=True)
        assert all(min(a, b) - 1e-3 <= rate <= max(a, b) + 1e-3 for rate, a, b in pairs)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"policy": "MyPolicy"}, "lr_config.policy"),
        ({"policy": "step", "step": [1], "min_lr": 1e-5}, "lr_config.min_lr"),
        ({"policy": "step", "step": [1], "by_epoch": True}, "lr_config.by_epoch"),
        ({"policy": "fixed", "warmup": "exp", "warmup_iters": 3}, "lr_config.warmup"),
        ({"policy": "fixed", "unheard": 3}, "lr_config.unheard"),
    ],
)
def test_schedule_that_mmengine_has_not_is_named(config: dict[str, Any], key: str) -> None:
    """It is in the list of what was not carried, with something to do."""
    work = Work("mmseg", {"lr_config": config}, by_epoch=False)
    work.length = 100

    migrate_schedule(work)

    assert [entry.key for entry in work.ledger.lost] == [key]
    assert all(entry.hint for entry in work.ledger.lost)
