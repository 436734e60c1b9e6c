# SPDX-License-Identifier: Apache-2.0
"""``--epochs``, ``--max-steps``, ``--batch-size``, ``--lr``, ``--accumulate`` and ``--ema``.

The length of a run affects everything that depends on it, see `zoo.engine.runs.length`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from zoo.engine.config.options import merge_cfg_options
from zoo.engine.config_parts.tree import iterate_dicts
from zoo.engine.runs.epoch_steps import count_epoch_steps
from zoo.engine.runs.length import Length, length_of, multiply_batches, set_length
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["RunOptions", "set_run_options"]

# The keys that each option sets, so that --cfg-options must not set them too.
_KEYS = {
    "epochs": ("train_cfg.max_epochs", "train_cfg.max_iters", "train_cfg.type"),
    "max_steps": ("train_cfg.max_epochs", "train_cfg.max_iters", "train_cfg.type"),
    "batch_size": ("train_dataloader.batch_size",),
    "lr": ("optim_wrapper.optimizer.lr",),
    "accumulate": ("optim_wrapper.accumulative_counts",),
}
_WHOLE, _RATE = "a whole number from 1 on", "a number above 0"
# Absolute rates, in schedulers of the learning rate and in stages of hooks.
_RATES = ("eta_min", "eta_max", "lr")
# The average looks back over about an eighth of the run, as in zoo's own configs.
_AVERAGED, _MOST_MOMENTUM = 8, 0.1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The length and steps of a run; None keeps the config's value.

    Attributes:
        epochs: Passes over the training images.
        max_steps: Iterations of the optimizer, instead of epochs.
        batch_size: Images per step and process.
        lr: Learning rate of the optimizer.
        accumulate: Batches whose gradients are added up for one step of the optimizer. The run has
            as many steps as before, or as many epochs.
        ema: Whether to validate and save an average of the weights of the last steps.
        processes: Number of processes that train together.
    """

    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    accumulate: int | None = None
    ema: bool = False
    processes: int = 1

    def words(self) -> list[str]:
        """Return the equivalent command-line options."""
        names = [field.name for field in fields(self) if field.name not in ("ema", "processes")]
        given = [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        words = [word for name, value in given for word in (_option(name), str(value))]
        return [*words, "--ema"] if self.ema else words


def set_run_options(
    run: RunOptions, config: Config, cfg_options: Mapping[str, Any], scope: str
) -> None:
    """Set a config's length, batch size and learning rate in place.

    Args:
        run: The options to set.
        config: The whole config, with its data set.
        cfg_options: Applied to the config afterwards, and wins; it must not set what ``run``
            sets.
        scope: The default scope of its types.

    Raises:
        ConfigError: A value is impossible, two contradict each other, or the config does not have
            the form that they need.
        DataError: The training data, whose images must be counted, cannot be read.
    """
    _check(run, cfg_options)
    if run.batch_size is not None:
        _set_batch_size(config, run.batch_size)
    if run.lr is not None:
        _set_rate(config, run.lr)
    _set_run_length(run, config, cfg_options, scope)
    if run.accumulate is not None:
        _set_accumulation(run, config)
    if run.ema:
        _average_weights(run, config, cfg_options, scope)


def _set_run_length(
    run: RunOptions, config: Config, cfg_options: Mapping[str, Any], scope: str
) -> None:
    if run.epochs is None and run.max_steps is None:
        return
    option = "epochs" if run.epochs is not None else "max_steps"
    value = run.epochs if run.epochs is not None else run.max_steps
    wanted = Length("epoch" if option == "epochs" else "iteration", int(value or 0))
    old = length_of(config, _option(option))
    per_epoch = None
    if old.unit != wanted.unit:
        per_epoch = _epoch_steps(run, config, cfg_options, scope)
    set_length(config, old, wanted, per_epoch=per_epoch)


def _epoch_steps(
    run: RunOptions, config: Config, cfg_options: Mapping[str, Any], scope: str
) -> int:
    final = copy.deepcopy(config)
    merge_cfg_options(final, cfg_options)
    return count_epoch_steps(final, scope, processes=run.processes)


def _set_accumulation(run: RunOptions, config: Config) -> None:
    wrapper: Any = config.get("optim_wrapper") or {}
    new = int(run.accumulate or 1)
    if "optimizer" not in wrapper:
        message = f"cannot set --accumulate {new}: the config has no optim_wrapper.optimizer, "
        message += "expected a run with one optimizer."
        hint = "set accumulative_counts of each wrapper with --cfg-options."
        raise ConfigError(message, where="optim_wrapper", hint=hint)
    old = int(wrapper.get("accumulative_counts") or 1)
    wrapper.accumulative_counts = new
    # Epochs say how often each image is seen; then the run has fewer steps, of more batches.
    if new != old and not (run.epochs is not None and length_of(config, "").unit == "iteration"):
        multiply_batches(config, old, new, "--accumulate")


def _average_weights(
    run: RunOptions, config: Config, cfg_options: Mapping[str, Any], scope: str
) -> None:
    """Add mmengine's hook, unless the config has one."""
    hooks = list(config.get("custom_hooks") or ())
    if any(str(hook.get("type", "")).rpartition(".")[2] == "EMAHook" for hook in hooks):
        return
    length = length_of(config, "--ema")
    batches = length.count
    if length.unit == "epoch":
        batches *= _epoch_steps(run, config, cfg_options, scope)
    momentum = round(min(_MOST_MOMENTUM, _AVERAGED / batches), 6)
    config.custom_hooks = [*hooks, {"type": "EMAHook", "momentum": momentum}]


def _check(run: RunOptions, cfg_options: Mapping[str, Any]) -> None:
    for name in _KEYS:
        value, expected = getattr(run, name), _RATE if name == "lr" else _WHOLE
        if value is not None and not _fits(value, is_whole=name != "lr"):
            message = f"cannot set {_option(name)}: found {value!r}, expected {expected}."
            raise ConfigError(message, where=_option(name), hint=f"give {expected}.")
    if run.epochs is not None and run.max_steps is not None:
        message = "cannot train for --epochs and --max-steps: each says when the run ends, "
        message += "expected one of them."
        raise ConfigError(message, where="--epochs", hint="leave one of them out.")
    for name, keys in _KEYS.items():
        said = _said(keys, cfg_options) if getattr(run, name) is not None else None
        if said is not None:
            message = f"cannot use {_option(name)} and --cfg-options {said} together: both say "
            message += "the same, expected one of them."
            raise ConfigError(message, where=_option(name), hint="leave one of them out.")


def _said(keys: Iterable[str], cfg_options: Mapping[str, Any]) -> str | None:
    """Return the first option that sets one of the keys, itself or a dict above it."""
    return next((o for o in cfg_options for key in keys if f"{key}.".startswith(f"{o}.")), None)


def _set_batch_size(config: Config, size: int) -> None:
    loader = config.get("train_dataloader")
    if not loader:
        return  # training refuses this with its own message
    for part in ("sampler", "batch_sampler"):
        if "batch_size" in (loader.get(part) or {}):
            key = f"train_dataloader.{part}.batch_size"
            message = f"cannot set --batch-size {size}: the {part} of this config composes its "
            message += "batches itself."
            raise ConfigError(message, where=key, hint=f"set it with --cfg-options {key}=N.")
    loader.batch_size = size


def _set_rate(config: Config, rate: float) -> None:
    optimizer = (config.get("optim_wrapper") or {}).get("optimizer")
    if not optimizer:
        message = f"cannot set --lr {rate:g}: the config has no optim_wrapper.optimizer, expected "
        message += "a run with one optimizer."
        hint = "set the rates with --cfg-options; `zoo config show` prints the config."
        raise ConfigError(message, where="optim_wrapper", hint=hint)
    before = optimizer.get("lr")
    optimizer.lr = rate
    if not isinstance(before, (int, float)) or before <= 0:
        return
    schedulers = [
        node
        for _, node in iterate_dicts(config.get("param_scheduler"))
        if str(node.get("type", "")).endswith("LR") or node.get("param_name") == "lr"
    ]
    stages = [node for _, node in iterate_dicts(config.get("custom_hooks")) if "until" in node]
    for node in (*schedulers, *stages):
        for name in _RATES:
            if isinstance(node.get(name), (int, float)):
                node[name] = node[name] * rate / before


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _fits(value: object, *, is_whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
        return False
    return value >= 1 if is_whole else math.isfinite(value) and value > 0
