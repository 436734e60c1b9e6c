# SPDX-License-Identifier: Apache-2.0
"""The learning rate that a run logs is one that it reaches, however short it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from zoo.engine.runs.schedules import fit_warm_ups
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_RATE = 0.02


class _Rates(Hook):
    """Notes the rate of each step."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.found: list[float] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.found.append(runner.optim_wrapper.get_lr()["lr"][0])


class _Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(
        self, inputs: list[torch.Tensor], data_samples: Any = None, mode: str = "tensor"
    ) -> dict[str, torch.Tensor]:
        return {"loss": self.layer(torch.stack(inputs)).square().mean()}


def _rates_of(folder: Path, scheduler: Any, loop: dict[str, Any]) -> list[float]:
    """Train with a schedule, ten steps an epoch, and return the rate of each step."""
    rates = _Rates()
    is_epochs = "max_epochs" in loop
    sampler = "DefaultSampler" if is_epochs else "InfiniteSampler"
    runner = Runner(
        model=_Model(),
        work_dir=str(folder),
        train_dataloader={
            "dataset": [{"inputs": torch.randn(2)} for _ in range(20)],
            "batch_size": 2,
            "sampler": {"type": sampler, "shuffle": False},
        },
        train_cfg={"by_epoch": is_epochs, **loop},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": _RATE}},
        param_scheduler=scheduler,
        custom_hooks=[rates],
        experiment_name=f"{folder.parent.name}-{folder.name}",
        default_scope="mmengine",
        log_level="ERROR",
    )

    fit_warm_ups(runner)
    runner.train()

    return rates.found


def _linear(**over: Any) -> dict[str, Any]:
    return {"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, **over}


@pytest.mark.parametrize(
    ("scheduler", "steps", "told"),
    [
        (_linear(end=500), 2, "until iteration 500, the run until iteration 2; it is left out"),
        (
            _linear(end=500),
            6,
            "until iteration 500, the run until iteration 6; it is shortened to 2",
        ),
        ([_linear(end=500)], 40, "iteration 500, the run until iteration 40; it is shortened to 4"),
        (_linear(end=1), 6, "until iteration 1, the run until iteration 6; it is shortened to 2"),
        (
            {"type": "ConstantLR", "factor": 0.1, "by_epoch": False, "end": 9},
            6,
            "until iteration 9, the run until iteration 6; it is shortened to 2",
        ),
        (
            {"type": "mmdet.QuadraticWarmupLR", "by_epoch": False, "end": 900},
            30,
            "until iteration 900, the run until iteration 30; it is shortened to 3",
        ),
        (
            [_linear(begin=2, end=500), {"type": "PolyLR", "begin": 500, "by_epoch": False}],
            42,
            "until iteration 500, the run until iteration 42; it is shortened to 4",
        ),
        (
            _linear(by_epoch=True, convert_to_iter_based=True, end=12),
            20,
            "until epoch 12, the run until epoch 2; it is left out",
        ),
    ],
)
def test_warm_up_longer_than_the_run_is_cut_so_that_the_rate_is_reached(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheduler: Any, steps: int, told: str
) -> None:
    rates = _rates_of(tmp_path / "run", scheduler, {"max_iters": steps})

    assert len(rates) == steps
    assert max(rates) == pytest.approx(_RATE)
    assert told in caplog.text


def test_decay_that_follows_a_warm_up_begins_where_it_ends_now(tmp_path: Path) -> None:
    """Four steps up, then down to the end of the run."""
    poly = {"type": "PolyLR", "begin": 500, "by_epoch": False, "eta_min": 0.0}
    schedule = [_linear(end=500), poly]

    rates = _rates_of(tmp_path / "run", schedule, {"max_iters": 40})

    assert max(rates) == pytest.approx(_RATE)
    top = rates.index(max(rates))
    assert top == 3
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < _RATE / 10


@pytest.mark.parametrize(
    "scheduler",
    [
        _linear(),
        _linear(end=6),
        _linear(end=3),
        {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.1, "by_epoch": False, "end": 90},
        {"type": "PolyLR", "eta_min": 0.001, "by_epoch": False, "end": 500},
        {"type": "CosineAnnealingLR", "T_max": 500, "by_epoch": False},
        _linear(begin=9, end=500),
        None,
        [],
    ],
    ids=[
        "endless",
        "whole-run",
        "fits",
        "falls",
        "poly",
        "cosine",
        "never-begins",
        "none",
        "empty",
    ],
)
def test_schedule_that_reaches_its_rate_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheduler: Any
) -> None:
    rates = _rates_of(tmp_path / "run", scheduler, {"max_iters": 6})

    assert "the warm-up" not in caplog.text
    assert max(rates) == pytest.approx(_RATE)


def test_warm_up_in_epochs_of_a_run_in_iterations_is_refused(tmp_path: Path) -> None:
    """mmengine steps it once, after the run."""
    with pytest.raises(ConfigError) as caught:
        _rates_of(
            tmp_path / "run",
            [{"type": "LinearLR", "start_factor": 0.01, "end": 3}],
            {"max_iters": 6},
        )

    assert str(caught.value) == (
        "cannot train: the warm-up param_scheduler.0 counts epochs, the run counts iterations, so "
        "it would never end.\nwhere: param_scheduler.0.by_epoch\n"
        "HINT: --cfg-options param_scheduler.0.by_epoch=False, with begin and end in iterations."
    )


@pytest.mark.parametrize(("end", "cut"), [(8, "shortened to 2"), (1, "shortened to 2")])
def test_warm_up_in_epochs_is_cut_to_the_epochs_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: int, cut: str
) -> None:
    scheduler = [{"type": "LinearLR", "start_factor": 0.01, "end": end}]

    rates = _rates_of(tmp_path / "run", scheduler, {"max_epochs": 3})

    assert rates[-1] == pytest.approx(_RATE)
    assert f"until epoch {end}, the run until epoch 3; it is {cut}" in caplog.text
