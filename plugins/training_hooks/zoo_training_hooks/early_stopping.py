# SPDX-License-Identifier: Apache-2.0
"""End a run when a validation value has made no progress for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop

from zoo.errors import ConfigError

__all__ = ["EarlyStopping"]

# Directions of mmengine's and OpenMMLab's own values; those of plugins are in their manifests.
_LOW = ("loss", "error", "distance", "hd95", "assd", "rmse", "mae")
_HIGH = ("acc", "dice", "iou", "map", "ap50", "recall", "precision", "fscore", "auc", "top1")
_RULES = ("greater", "less")


class EarlyStopping(Hook):
    """Stop training when a metric has not improved for ``patience`` validations.

    The best value so far counts as beaten if the new one is better by more than ``least_change``.
    A value that is NaN, as of a metric without a result, is no progress. The state is part of every
    checkpoint, so a resumed run stops after the same validation as an uninterrupted one (mmengine's
    ``EarlyStoppingHook`` begins to count anew). The reason appears in the log, in the line that
    ends the run and as ``stopped`` in its result.

    Args:
        monitor: Name of the value in the validation's log, such as ``mean_dice``; ``val/loss`` and
            its parts are measured by `ValidationLoss`.
        patience: Number of validations without progress after which the run ends, at least 1.
        least_change: Absolute change of the value that counts as progress, in its unit, from 0 on.
        rule: ``greater`` or ``less``: which values are better. None takes it from the manifest of
            the metric's plugin, from a ``CheckpointHook`` that keeps the best by the same value, or
            from a well-known name.

    Raises:
        ConfigError: An argument is invalid; when training begins: the run does not validate, or the
            direction is unknown; at the first validation: nothing of that name is measured.
    """

    # After ValidationLoss and EMAHook, before CheckpointHook saves the best with this state.
    priority = "LOW"

    def __init__(
        self,
        monitor: str,
        *,
        patience: int = 5,
        least_change: float = 0.0,
        rule: str | None = None,
    ) -> None:
        _check(patience, least_change, rule)
        self._monitor = monitor
        self._patience = patience
        self._least_change = float(least_change)
        self._rule = rule
        self._key = f"early_stopping/{monitor}"

    def before_train(self, runner: Any) -> None:
        """Find the direction, and stop a resumed run that had stopped already.

        Args:
            runner: The runner.

        Raises:
            ConfigError: The run does not validate, its loop cannot stop, or the direction is
                unknown.
        """
        if runner.val_loop is None or not hasattr(runner.train_loop, "stop_training"):
            lack = "does not validate" if runner.val_loop is None else "cannot stop early"
            message = f"cannot stop by {self._monitor!r}: the run {lack}."
            hint = "add val_dataloader, val_evaluator and val_cfg, or remove this hook."
            raise ConfigError(message, where="custom_hooks", hint=hint)
        if self._rule is None:
            self._rule = _rule_of_keeper(runner, self._monitor) or _guess(self._monitor)
        if self._state(runner)["waited"] >= self._patience:
            self._stop(runner)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Compare the value with the best so far, and stop the run if it is time.

        Args:
            runner: The runner.
            metrics: Results of the validation by name.

        Raises:
            ConfigError: Nothing of that name was measured.
        """
        if not metrics or self._monitor not in metrics:
            names = ", ".join(metrics or ()) or "nothing"
            message = f"cannot stop by {self._monitor!r}: validation measured {names}."
            hint = "set monitor to one of these; val/loss needs the hook ValidationLoss."
            raise ConfigError(message, where="custom_hooks", hint=hint)
        value, state = float(metrics[self._monitor]), self._state(runner)
        if self._is_progress(value, state["best"]):
            state = {"best": value, "at": _position(runner), "waited": 0}
        else:
            state["waited"] += 1
        runner.message_hub.update_info(self._key, state)
        if state["waited"] >= self._patience:
            self._stop(runner)

    def _state(self, runner: Any) -> dict[str, Any]:
        kept = runner.message_hub.runtime_info.get(self._key)
        if isinstance(kept, Mapping) and type(kept.get("waited")) is int:
            return dict(kept)
        return {"best": None, "at": None, "waited": 0}

    def _is_progress(self, value: float, best: float | None) -> bool:
        if math.isnan(value) or best is None:
            return not math.isnan(value)
        gain = value - best if self._rule == "greater" else best - value
        return gain > self._least_change

    def _stop(self, runner: Any) -> None:
        state = self._state(runner)
        change = "risen" if self._rule == "greater" else "fallen"
        times = "validation" if self._patience == 1 else f"{self._patience} validations"
        reason = f"{self._monitor} has not {change}"
        reason += f" by more than {self._least_change:g}" if self._least_change else ""
        reason += f" in the last {times}"
        if state["best"] is not None:
            reason += f"; its best is {state['best']:.4g}, at {state['at']}"
        runner.train_loop.stop_training = True
        runner.message_hub.update_info("stop_reason", reason)
        runner.logger.info("stopping early: %s", reason)


def _rule_of_keeper(runner: Any, monitor: str) -> str | None:
    """Return the rule by which a checkpoint is kept as the best by the same value."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best:
            rules = dict(zip(hook.key_indicators, hook.rules, strict=False))
            if rules.get(monitor) in _RULES:
                return str(rules[monitor])
    return None


def _guess(monitor: str) -> str:
    name = monitor.lower()
    if any(word in name for word in _LOW):
        return "less"
    if any(word in name for word in _HIGH):
        return "greater"
    message = f"cannot stop by {monitor!r}: it is not known whether high or low values are better."
    hint = "set rule='greater' or rule='less' of this hook."
    raise ConfigError(message, where="custom_hooks", hint=hint)


def _position(runner: Any) -> str:
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return f"epoch {runner.epoch}"
    return f"step {runner.iter}"


def _check(patience: object, least_change: object, rule: object) -> None:
    is_change = _is_number(least_change) and least_change >= 0  # type: ignore[operator]
    for name, value, holds, expected in (
        ("patience", patience, type(patience) is int and patience > 0, "a whole number from 1 on"),
        ("least_change", least_change, is_change, "a number from 0 on"),
        ("rule", rule, rule in (None, *_RULES), "'greater' or 'less'"),
    ):
        if not holds:
            message = f"cannot use EarlyStopping: {name} is {value!r}, expected {expected}."
            hint = f"correct {name} of this hook."
            raise ConfigError(message, where="custom_hooks", hint=hint)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
