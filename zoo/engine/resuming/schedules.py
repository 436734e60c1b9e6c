# SPDX-License-Identifier: Apache-2.0
"""Use the learning rates of the new schedule when a run is resumed with a changed one.

mmengine loads the state of a scheduler over its settings, so a longer run would continue with the
rates of the shorter one. Checkpoints keep what the config said at the start of the run; if it says
something else on resuming, the new schedule is advanced to the step that was reached.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import ReduceOnPlateauParamScheduler
from mmengine.runner import EpochBasedTrainLoop

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["ScheduleNote"]

_KEY = "zoo_schedule"
# Of a scheduler's state, what tells how far it is; the rest are its settings.
_PROGRESS = frozenset({"last_step", "_global_step", "_last_value", "verbose"})


class ScheduleNote(Hook):
    """Stores in checkpoints the config's optimizer and schedule at the start."""

    def __init__(self) -> None:
        self._start: dict[str, Any] | None = None

    def take(self, runner: Runner) -> None:
        """Record the state of optimizer and schedulers before anything is loaded into them.

        Args:
            runner: The run.
        """
        if isinstance(runner.optim_wrapper, (OptimWrapper, OptimWrapperDict)):
            self._start = {
                "groups": [_settings(group) for group in _groups(runner)],
                "schedulers": [
                    {"type": type(one).__name__, **copy.deepcopy(one.state_dict())}
                    for one in _schedulers(runner)
                ],
            }

    def before_run(self, runner: Runner) -> None:
        """Record what the config says; schedulers are built by now, and nothing is loaded.

        Args:
            runner: The run.
        """
        self.take(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store the record in the checkpoint.

        Args:
            runner: The run.
            checkpoint: The checkpoint to save; changed in place.
        """
        if self._start is not None:
            checkpoint[_KEY] = copy.deepcopy(self._start)

    def follow(self, runner: Runner, checkpoint: Mapping[str, Any]) -> None:
        """Set a resumed runner to the rates of its own config, if that was changed.

        Args:
            runner: The resumed runner.
            checkpoint: The checkpoint that it was resumed from.

        Raises:
            ConfigError: A scheduler depends on validation results, which cannot be
                replayed.
        """
        if self._start is None or not self._is_changed(checkpoint):
            return
        if not any(isinstance(hook, ParamSchedulerHook) for hook in runner.hooks):
            return
        schedulers = _schedulers(runner)
        _check_repeatable(schedulers)
        before = [group["lr"] for group in _groups(runner)]
        for group, settings in zip(_groups(runner), self._start["groups"], strict=True):
            group.update(copy.deepcopy(settings))
        for scheduler, state in zip(schedulers, self._start["schedulers"], strict=True):
            scheduler.load_state_dict({key: state[key] for key in state if key != "type"})
        for one in _steps(runner, schedulers):
            one.step()
        for hook in runner.hooks:
            if hasattr(hook, "forget_rates"):
                hook.forget_rates(runner)
        after = [group["lr"] for group in _groups(runner)]
        text = "the schedule is not that of the checkpoint: lr %.3g instead of %.3g after step "
        text += "%d, as in a run that starts with the new schedule"
        runner.logger.warning(text, after[0], before[0], runner.iter)

    def _is_changed(self, checkpoint: Mapping[str, Any]) -> bool:
        assert self._start is not None  # noqa: S101 - for mypy; `follow` has asked
        noted = checkpoint.get(_KEY)
        if isinstance(noted, Mapping):
            return bool(_plain(noted) != _plain(self._start))
        # A checkpoint without the record: use its schedulers' own settings.
        old = list(_flat(checkpoint.get("param_schedulers")))
        new = [{k: v for k, v in one.items() if k != "type"} for one in self._start["schedulers"]]
        return [_without_progress(one) for one in old] != [_without_progress(one) for one in new]


def _check_repeatable(schedulers: list[Any]) -> None:
    for scheduler in schedulers:
        if isinstance(scheduler, ReduceOnPlateauParamScheduler):
            name = type(scheduler).__name__
            message = f"cannot resume with another schedule: {name} depends on earlier "
            message += "validation results."
            hint = "resume with the schedule of the checkpoint, or start a new run with "
            hint += "load_from=FILE."
            raise ConfigError(message, where="param_scheduler", hint=hint)


def _steps(runner: Runner, schedulers: list[Any]) -> Iterator[Any]:
    """Yield schedulers in the order in which the run so far has stepped them."""
    loop = runner.train_loop
    is_by_epoch = isinstance(loop, EpochBasedTrainLoop)
    length = len(loop.dataloader) if is_by_epoch else 0
    epochs = 0
    for step in range(1, loop.iter + 1):
        yield from (one for one in schedulers if not one.by_epoch)
        if length and step % length == 0 and epochs < loop.epoch:
            epochs += 1
            yield from (one for one in schedulers if one.by_epoch)
    for _ in range(loop.epoch - epochs if is_by_epoch else 0):
        yield from (one for one in schedulers if one.by_epoch)


def _groups(runner: Runner) -> list[dict[str, Any]]:
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [group for one in wrappers for group in one.optimizer.param_groups]


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}


def _schedulers(runner: Runner) -> list[Any]:
    return list(_flat(runner.param_schedulers))


def _flat(schedulers: Any) -> Iterator[Any]:
    parts = schedulers.values() if isinstance(schedulers, Mapping) else [schedulers]
    for part in parts:
        yield from part or ()


def _without_progress(state: Mapping[str, Any]) -> Any:
    return _plain({key: value for key, value in state.items() if key not in _PROGRESS})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value
