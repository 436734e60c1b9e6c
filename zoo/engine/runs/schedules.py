# SPDX-License-Identifier: Apache-2.0
"""Find warm-ups that are longer than the run, which would never reach the learning rate."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["fit_warm_ups"]

_LOG = logging.getLogger("zoo")
# Share of a run that is warmed up, if the run is shorter than its warm-up.
_SHARE = 0.1
# mmengine's schedulers end with what they set in their last step; one of a single step sets the
# factor at its start, and leaves it there.
_LEAST = 2
_ENDINGS = ("LR", "Momentum", "ParamScheduler")
# (key of the factor at the start, of that at the end, the former's default): in mmengine's names
# what stands before LR, Momentum and ParamScheduler.
_RISING = {
    "Linear": ("start_factor", "end_factor", 1 / 3),
    "Constant": ("factor", "", 1 / 3),
    "QuadraticWarmup": ("", "", 0.0),
}


def fit_warm_ups(runner: Runner) -> None:
    """Shorten each warm-up that would last longer than the run, and log it.

    Otherwise a config for 90,000 steps, tried for 100, would end at a thirtieth of its learning
    rate. A run of two steps has no warm-up. Call this after the training loop is built and before
    the schedulers are.

    Args:
        runner: The runner whose schedulers' configs are replaced.

    Raises:
        ConfigError: A warm-up counts epochs in a run that counts iterations: it would never end.
    """
    configs = copy.deepcopy(runner.param_schedulers)
    for key, node in iterate_dicts(configs, "param_scheduler"):
        if not isinstance(node.get("type"), str) or not _is_warm_up(node):
            continue
        begin = node.get("begin", 0)
        run, unit = _length(runner, node, key)
        end = node.get("end", run)  # as mmengine fills it in
        is_stuck = end < begin + _LEAST and not node.get("convert_to_iter_based")
        if begin >= run or (end <= run and not is_stuck):
            continue
        length = max(_LEAST, int((run - begin) * _SHARE))
        is_left_out = length >= run - begin
        node["end"] = begin + length
        _follow(configs, node, end, begin if is_left_out else begin + length)
        if is_left_out:
            _flatten(node)
        outcome = "left out" if is_left_out else f"shortened to {length}"
        text = "the warm-up %s lasts until %s %g, the run until %s %g; it is %s, so that the "
        _LOG.warning(text + "learning rate is reached", key, unit, end, unit, run, outcome)
    runner.param_schedulers = configs


def _follow(configs: Any, warm_up: Mapping[str, Any], end: float, cut: float) -> None:
    """Move what began at the end of a warm-up to its new end."""
    by_epoch = warm_up.get("by_epoch", True)
    for _, node in iterate_dicts(configs):
        if node.get("begin") == end and node.get("by_epoch", True) == by_epoch:
            node["begin"] = cut


def _flatten(warm_up: dict[str, Any]) -> None:
    """Turn a warm-up into a scheduler that changes nothing.

    It keeps its position: checkpoints store the state of each by its index.
    """
    ending = next(ending for ending in _ENDINGS if warm_up["type"].endswith(ending))
    kept = {name: warm_up[name] for name in ("by_epoch", "param_name") if name in warm_up}
    warm_up.clear()
    warm_up.update(type=f"Constant{ending}", factor=1.0, **kept)


def _is_warm_up(node: Mapping[str, Any]) -> bool:
    kind = node["type"].rpartition(".")[2]
    if not all(isinstance(node.get(name, 0), (int, float)) for name in ("begin", "end")):
        return False  # building it refuses it with its key
    for ending in _ENDINGS:
        row = _RISING.get(kind.removesuffix(ending)) if kind.endswith(ending) else None
        if row is not None:
            first, last = node.get(row[0], row[2]), node.get(row[1], 1.0)
            return (
                isinstance(first, (int, float)) and isinstance(last, (int, float)) and first < last
            )
    return False


def _length(runner: Runner, node: Mapping[str, Any], key: str) -> tuple[float, str]:
    """Return the run's length in the unit that a scheduler counts, and that unit."""
    from mmengine.runner import EpochBasedTrainLoop

    loop: Any = runner.train_loop
    if not node.get("by_epoch", True):
        return loop.max_iters, "iteration"
    if isinstance(loop, EpochBasedTrainLoop):
        return loop.max_epochs, "epoch"
    if node.get("convert_to_iter_based"):
        return loop.max_iters / len(loop.dataloader), "epoch"
    message = f"cannot train: the warm-up {key} counts epochs, the run counts iterations, so it "
    message += "would never end."
    hint = f"--cfg-options {key}.by_epoch=False, with begin and end in iterations."
    raise ConfigError(message, where=f"{key}.by_epoch", hint=hint)
