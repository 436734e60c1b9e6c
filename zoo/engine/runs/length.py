# SPDX-License-Identifier: Apache-2.0
"""Change the length of a run: everything that depends on it keeps its share of the whole.

A warm-up over the first 4 % stays one over the first 4 %, a rate that drops halfway still does, and
the number of validations stays the same. Numbers are rounded, and are at least 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["Length", "length_of", "multiply_batches", "set_length"]

Unit = Literal["epoch", "iteration"]
_LOOPS: dict[str, Unit] = {"EpochBasedTrainLoop": "epoch", "IterBasedTrainLoop": "iteration"}
_ENDS: dict[Unit, str] = {"epoch": "max_epochs", "iteration": "max_iters"}
# A warm-up of one step has no effect: mmengine's schedulers set their last value in the last step.
_LEAST = 2
# Keys of hooks that count in the unit of the run, in epochs, and in iterations.
_EPOCHS_OF_HOOKS = ("switch_epoch", "num_last_epochs", "begin_epoch", "start_epoch", "stop_epoch")
_STEPS_OF_HOOKS = ("begin_iter", "start_iter")


@dataclass(frozen=True, slots=True)
class Length:
    """The length of a run.

    Attributes:
        unit: The unit that its training loop counts.
        count: Number of units.
    """

    unit: Unit
    count: int


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps positions in the old run to positions in the new one.

    Attributes:
        old: Length in the config.
        new: New length, in the unit that the new loop counts.
        per_epoch: Steps of an epoch; only if ``old`` counts epochs and ``new`` iterations.
    """

    old: Length
    new: Length
    per_epoch: int = 1

    @property
    def is_converted(self) -> bool:
        """Whether the run counts in a different unit than before."""
        return self.old.unit != self.new.unit

    def place(self, position: float, unit: Unit, least: int = 1) -> int:
        """Return the position in the new run at the same share of the run.

        Args:
            position: Position in the old run, in ``unit``; 0 stays 0.
            unit: The unit of ``position``.
            least: Least result for any other position, up to the end of the run.
        """
        if position <= 0:
            return int(position)
        share = position / self.old.count
        if self.is_converted and unit == "iteration":
            share /= self.per_epoch
        whole = share * self.new.count
        return max(min(least, self.new.count), math.floor(whole + 0.5))


def length_of(config: Config, option: str) -> Length:
    """Return the length that a config states.

    Args:
        config: The whole config.
        option: The option that needs it, for the message.

    Raises:
        ConfigError: Its training loop is neither of mmengine's two, or has no end.
    """
    loop = config.get("train_cfg") or {}
    kind = str(loop.get("type", "")).rpartition(".")[2]
    by_epoch: dict[Any, Unit] = {True: "epoch", False: "iteration"}
    unit = _LOOPS.get(kind) or (by_epoch.get(loop.get("by_epoch")) if not kind else None)
    found = f"the training loop {kind!r}" if kind else "no type of the training loop"
    if unit is not None:
        count = loop.get(_ENDS[unit])
        if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
            return Length(unit, count)
        found = f"{_ENDS[unit]} {count!r}"
    message = f"cannot use {option}: the config has {found}, expected one of "
    message += "EpochBasedTrainLoop with max_epochs and IterBasedTrainLoop with max_iters."
    hint = "set the length of this loop with --cfg-options train_cfg.KEY=N."
    raise ConfigError(message, where="train_cfg", hint=hint)


def set_length(
    config: Config, old: Length, wanted: Length, *, per_epoch: int | None = None
) -> Length:
    """Change the length of a config in place, with matching schedules, intervals and stages.

    A loop that counts iterations stays one: epochs are converted to steps. A loop that counts
    epochs becomes one that counts iterations for a number of steps, because only that can end
    within an epoch. Otherwise the unit stays the same.

    Args:
        config: The whole config.
        old: Its length, from `length_of`.
        wanted: The new length.
        per_epoch: Steps of an epoch; needed if the units differ.

    Returns:
        The new length in the unit of the loop.

    Raises:
        ConfigError: A hook counts epochs, and the loop would count iterations.
    """
    new = wanted
    if old.unit == "iteration" and wanted.unit == "epoch":
        new = Length("iteration", wanted.count * (per_epoch or 1))
    scale = _Scale(old, new, per_epoch or 1)
    _scale_loop(config, scale)
    for _, node in iterate_dicts(config.get("param_scheduler")):
        if isinstance(node.get("type"), str):
            _scale_scheduler(node, scale)
    for key in ("default_hooks", "custom_hooks"):
        for place, node in iterate_dicts(config.get(key), key):
            _scale_hook(node, place, scale)
    if scale.is_converted:
        _count_iterations(config)
    return new


def multiply_batches(config: Config, old: int, new: int, option: str) -> None:
    """Keep the steps of a config whose steps now add up another number of batches.

    mmengine counts batches: a run of as many steps, each of more batches, has more of them, and so
    have its warm-ups and intervals. Epochs stay what they are.

    Args:
        config: The whole config, changed in place.
        old: Batches of a step so far.
        new: Batches of a step from now on.
        option: The option that needs it, for the message.

    Raises:
        ConfigError: Its training loop is neither of mmengine's two, or has no end.
    """
    length = length_of(config, option)
    if length.unit == "iteration":
        longer = Length("iteration", math.ceil(length.count * new / old))
        set_length(config, length, longer)
        return
    scale = _Scale(Length("iteration", old), Length("iteration", new))
    nodes = [*iterate_dicts(config.get("param_scheduler"))]
    hooks = [
        *iterate_dicts(config.get("default_hooks")),
        *iterate_dicts(config.get("custom_hooks")),
    ]
    for _, node in nodes:
        if isinstance(node.get("type"), str) and not node.get("by_epoch", True):
            _scale_scheduler(node, scale)
    for _, node in hooks:
        kind = str(node.get("type", "")).rpartition(".")[2]
        if kind == "CheckpointHook" and not node.get("by_epoch", True):
            _scale_checkpoints(node, scale)


def _scale_loop(config: Config, scale: _Scale) -> None:
    loop: Any = config.train_cfg
    unit = scale.old.unit
    if scale.is_converted:
        loop.pop(_ENDS[unit])
        if "type" in loop:
            loop.type = next(kind for kind, its in _LOOPS.items() if its == scale.new.unit)
        else:
            loop.by_epoch = scale.new.unit == "epoch"
    loop[_ENDS[scale.new.unit]] = scale.new.count
    # mmengine's own default is 1: one epoch or 1,000 steps.
    default = 1 if unit == "epoch" else 1000
    loop.val_interval = _interval(loop.get("val_interval", default), unit, scale)
    if "val_begin" in loop:
        loop.val_begin = scale.place(loop.val_begin, unit)
    if loop.get("dynamic_intervals"):
        loop.dynamic_intervals = [
            (scale.place(at, unit), _interval(interval, unit, scale))
            for at, interval in loop.dynamic_intervals
        ]


def _interval(value: int, unit: Unit, scale: _Scale) -> int:
    return min(scale.place(value, unit), scale.new.count)


def _scale_scheduler(node: dict[str, Any], scale: _Scale) -> None:
    unit: Unit = "epoch" if node.get("by_epoch", True) else "iteration"
    begin = node.get("begin", 0)
    _scale_span(node, unit, scale)
    for name in ("step_size", "total_steps"):
        if node.get(name) is not None:
            node[name] = scale.place(node[name], unit)
    if "milestones" in node:
        node["milestones"] = [scale.place(at, unit) for at in node["milestones"]]
    if "periods" in node:
        ends = [scale.place(begin + at, unit) for at in (0, *itertools.accumulate(node["periods"]))]
        node["periods"] = [max(1, end - start) for start, end in itertools.pairwise(ends)]
    if node["type"].rpartition(".")[2].startswith("Exponential") and "gamma" in node:
        node["gamma"] = node["gamma"] ** (1 / _ratio(unit, scale))
    if scale.is_converted:
        node.pop("convert_to_iter_based", None)
        node["by_epoch"] = False


def _scale_span(node: dict[str, Any], unit: Unit, scale: _Scale) -> None:
    """Move begin and end of a scheduler, and a period of the same length."""
    begin, end, period = node.get("begin", 0), node.get("end"), node.get("T_max")
    has_end = isinstance(end, (int, float)) and math.isfinite(end)
    if begin:
        node["begin"] = scale.place(begin, unit, _LEAST)
    if isinstance(end, (int, float)) and has_end:
        node["end"] = max(scale.place(end, unit, _LEAST), node.get("begin", 0) + 1)
    if isinstance(period, (int, float)):
        is_whole = has_end and period == end - begin
        length = node["end"] - node.get("begin", 0) if is_whole else scale.place(period, unit)
        node["T_max"] = length


def _ratio(unit: Unit, scale: _Scale) -> float:
    """Return the number of new units in one old unit."""
    steps = scale.per_epoch if scale.is_converted and unit == "iteration" else 1
    return scale.new.count / (scale.old.count * steps)


def _scale_hook(node: dict[str, Any], place: str, scale: _Scale) -> None:
    kind = str(node.get("type", "")).rpartition(".")[2]
    if kind == "CheckpointHook":
        _scale_checkpoints(node, scale)
    for name in _EPOCHS_OF_HOOKS:
        if _is_count(node.get(name)) and node[name]:
            if scale.is_converted:
                raise _counts_epochs(kind, join_key(place, name))
            node[name] = scale.place(node[name], "epoch")
    for name in _STEPS_OF_HOOKS:
        if _is_count(node.get(name)):
            node[name] = scale.place(node[name], "iteration")
    for rows in node.values():
        if isinstance(rows, (list, tuple)) and all(_has_end(row) for row in rows):
            _scale_stages(list(rows), lambda end: scale.place(end, scale.old.unit))


def _scale_checkpoints(node: dict[str, Any], scale: _Scale) -> None:
    unit: Unit = "epoch" if node.get("by_epoch", True) else "iteration"
    if node.get("interval", -1) > 0:
        node["interval"] = scale.place(node["interval"], unit)
    if node.get("save_begin"):
        node["save_begin"] = scale.place(node["save_begin"], unit)
    if scale.is_converted:
        node["by_epoch"] = False


def _has_end(row: object) -> bool:
    return isinstance(row, Mapping) and _is_count(row.get("until"))


def _scale_stages(rows: list[Any], place: Callable[[int], int]) -> None:
    """Move the ends of stages; each keeps at least one epoch or step, in the same order."""
    before = 0
    for row in rows:
        row["until"] = before = max(place(row["until"]), before + 1)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _counts_epochs(kind: str, key: str) -> ConfigError:
    message = f"cannot use --max-steps: the hook {kind} of this config counts epochs."
    return ConfigError(message, where=key, hint="give --epochs.")


def _count_iterations(config: Config) -> None:
    """Make hooks that report on a run count iterations, as its loop does now."""
    if config.get("log_processor"):
        config.log_processor.by_epoch = False
    else:
        config.log_processor = {"by_epoch": False}
    hooks = config.get("default_hooks") or {}
    if hooks.get("logger"):
        hooks["logger"]["log_metric_by_epoch"] = False
    if "checkpoint" not in hooks:  # mmengine's default saves each epoch, and this loop has none
        interval = config.train_cfg.val_interval
        hooks["checkpoint"] = {"type": "CheckpointHook", "by_epoch": False, "interval": interval}
    config.default_hooks = hooks
