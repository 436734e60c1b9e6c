# SPDX-License-Identifier: Apache-2.0
"""The learning-rate finder: a monotone ramp, a suggestion from the curve, and nothing left."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from zoo_training_hooks.lr_command import command
from zoo_training_hooks.rate_curve import ramp, smoothed, suggested
from zoo_training_hooks.rate_ramp import RateRamp

from zoo.errors import ConfigError, DataError


@pytest.mark.parametrize(("low", "high", "steps"), [(1e-6, 1.0, 100), (1e-3, 2e-3, 2), (1, 9, 7)])
def test_ramp_rises_by_one_factor_from_end_to_end(low: float, high: float, steps: int) -> None:
    """As NumPy's geometric sequence."""
    rates = ramp(low, high, steps)

    assert rates == pytest.approx(np.geomspace(low, high, steps).tolist(), rel=1e-9)
    assert all(one < other for one, other in itertools.pairwise(rates))


def test_smoothed_losses_are_weighted_means_of_those_before() -> None:
    """Against the weights written out: 0.9 to the age of a loss, scaled to sum to one."""
    losses = np.random.default_rng(0).uniform(0, 5, 40)

    weights = [0.9 ** np.arange(step, -1, -1) for step in range(40)]
    expected = [np.average(losses[: len(each)], weights=each) for each in weights]
    assert smoothed(losses.tolist()) == pytest.approx(expected, rel=1e-9)
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize("place", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("scale", [0.01, 1.0, 70.0])
def test_suggestion_is_near_the_steepest_fall(place: float, scale: float) -> None:
    """A loss that falls around one rate and explodes at a hundred times it, with noise."""
    rates = ramp(1e-6, 10.0, 200)
    noise = np.random.default_rng(1).normal(0, 0.01, 200)
    fall = [1 / (1 + rate / place) + (rate / (100 * place)) ** 2 for rate in rates]
    losses = [scale * (value + more) for value, more in zip(fall, noise, strict=True)]

    found = suggested(rates, losses)

    assert found in rates
    assert place / 3 < found < 3 * place


@pytest.mark.parametrize(
    "losses", [[], [1.0], [1.0, 1.0], [1.0, 2.0, 3.0, 4.0], [2.0] * 9, [math.nan] * 9]
)
def test_suggestion_of_a_loss_that_never_falls_is_none(losses: list[float]) -> None:
    """There is nothing to read from such a curve."""
    assert suggested(ramp(1e-6, 1, 9), losses) is None


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 1.0)])
def test_hook_with_a_range_that_does_not_rise_is_refused(low: float, high: float) -> None:
    """Before anything is built."""
    with pytest.raises(ConfigError, match="cannot raise the learning rate"):
        RateRamp("out.json", low, high)


def test_run_with_the_hook_trains_each_step_at_its_rate(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any], tmp_path: Path
) -> None:
    """Whatever the schedule says; groups of parameters keep their ratio."""
    from mmengine.hooks import Hook

    seen: list[list[float]] = []

    class Watch(Hook):
        priority = "VERY_LOW"

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            seen.append([group["lr"] for group in runner.optim_wrapper.optimizer.param_groups])

    keys = {"custom_keys": {"decode_head": {"lr_mult": 10.0}}}
    semantic_config["optim_wrapper"]["paramwise_cfg"] = keys
    semantic_config["param_scheduler"] = {"type": "PolyLR", "by_epoch": False, "power": 0.9}
    for name in ("val_dataloader", "val_evaluator", "val_cfg", "val_loss_dataloader"):
        semantic_config[name] = None
    loop = {"type": "IterBasedTrainLoop", "max_iters": 6}
    hook = {"type": "zoo.training_hooks.RateRamp", "low": 1e-5, "high": 1e-3}
    runner = make_runner(
        semantic_config | {"train_cfg": loop}, hook | {"out": str(tmp_path / "c.json")}, Watch()
    )

    runner.train()

    curve = json.loads((tmp_path / "c.json").read_text())
    expected = ramp(1e-5, 1e-3, 6)
    assert curve["rates"] == pytest.approx(expected)
    assert [max(step) for step in seen] == pytest.approx(expected)
    assert {round(max(step) / min(step), 6) for step in seen} == {10.0}
    assert len(curve["losses"]) == 6


def test_run_that_diverges_ends_early(tmp_path: Path) -> None:
    """At four times the smallest mean, or at a loss that is not finite; the rest is kept."""

    class Loop:
        stop_training = False

    class Run:
        train_loop = Loop()
        iter = 0

    hook = RateRamp(str(tmp_path / "c.json"))
    for loss in [1.0] * 20:
        hook.after_train_iter(Run, 0, None, {"loss": loss})
    assert not Run.train_loop.stop_training

    hook.after_train_iter(Run, 0, None, {"loss": 60.0})
    assert Run.train_loop.stop_training

    Run.train_loop.stop_training = False
    hook.after_train_iter(Run, 0, None, {"loss": math.nan})
    assert Run.train_loop.stop_training


@pytest.mark.parametrize("name", ["curve.txt", "curve", "curve.png.jpeg"])
def test_picture_of_another_kind_is_refused_before_anything_is_read(
    tmp_path: Path, name: str
) -> None:
    """The steps would be trained in vain: their result would be lost with the picture."""
    words = ["no-such-config", "--out", str(tmp_path / name)]

    found = CliRunner().invoke(command, words).exception

    assert isinstance(found, DataError)
    assert "expected a name that ends in .png, .pdf, .svg" in found.message
    assert found.hint.endswith(".png.")
