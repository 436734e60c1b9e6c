# SPDX-License-Identifier: Apache-2.0
"""Raise the learning rate from step to step and note the loss, to find a rate to train with."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from zoo.errors import ConfigError
from zoo_training_hooks.rate_curve import DIVERGED, ramp, smoothed

__all__ = ["RateRamp"]


class RateRamp(Hook):
    """Train with a learning rate that rises by the same factor from step to step.

    The schedule of the config has no effect; groups of parameters keep their ratio. The run ends
    early when its smoothed loss has grown to four times its smallest, or is not finite. Rates and
    losses are written as JSON. `zoo lr` runs it.

    Args:
        out: The file, ``{"rates": [...], "losses": [...]}``.
        low: Rate of the first step, above 0.
        high: Rate of the last step.

    Raises:
        ConfigError: ``low`` and ``high`` are no range, or the run has fewer than two steps.
    """

    # After ParamSchedulerHook (LOW) of the step before; before StopOnNonFiniteLoss sees a loss.
    priority = "HIGHEST"

    def __init__(self, out: str, low: float = 1e-6, high: float = 1.0) -> None:
        if not 0 < low < high:
            message = f"cannot raise the learning rate from {low:g} to {high:g}: expected a range "
            message += "above 0 that rises."
            raise ConfigError(message, where="RateRamp", hint="give low=1e-6 and high=1.")
        self._out, self._low, self._high = Path(out), low, high
        self._rates: list[float] = []
        self._used: list[float] = []  # rate of each noted loss
        self._losses: list[float] = []
        self._shares: list[float] = []

    def before_train(self, runner: Any) -> None:
        """Plan the rates.

        Args:
            runner: The runner.

        Raises:
            ConfigError: The run has fewer than two steps.
        """
        steps = int(runner.max_iters)
        if steps < 2:
            message = f"cannot raise the learning rate: the run has {steps} step, expected 2."
            raise ConfigError(message, where="train_cfg", hint="give --steps 100.")
        self._rates = ramp(self._low, self._high, steps)
        groups = runner.optim_wrapper.optimizer.param_groups
        top = max(group["lr"] for group in groups) or 1.0
        self._shares = [group["lr"] / top for group in groups]

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Set the rate of this step.

        Args:
            runner: The runner.
            batch_idx: Number of the batch in its epoch.
            data_batch: Unused.
        """
        groups = runner.optim_wrapper.optimizer.param_groups
        for group, share in zip(groups, self._shares, strict=True):
            group["lr"] = self._rates[runner.iter] * share

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the loss, and end a run that has diverged.

        Args:
            runner: The runner.
            batch_idx: Unused.
            data_batch: Unused.
            outputs: The losses.
        """
        loss = torch.as_tensor(outputs["loss"]).item()
        if math.isfinite(loss):
            self._losses.append(loss)
            self._used += self._rates[runner.iter : runner.iter + 1]
        means = smoothed(self._losses)
        if not math.isfinite(loss) or means[-1] > DIVERGED * min(means):
            runner.train_loop.stop_training = True

    def after_train(self, runner: Any) -> None:
        """Write the curve.

        Args:
            runner: The runner.
        """
        self._out.write_text(json.dumps({"rates": self._used, "losses": self._losses}))
