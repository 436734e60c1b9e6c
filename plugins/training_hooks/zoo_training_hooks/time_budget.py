# SPDX-License-Identifier: Apache-2.0
"""End training by the clock, with its learning-rate schedule at its end."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from zoo.data import replace_file
from zoo.documents import DocumentError, Limits, read_json
from zoo.errors import ConfigError, DataError
from zoo_training_hooks.pace import Pace
from zoo_training_hooks.shortening import accumulated, end_with_this, move_schedulers
from zoo_training_hooks.staged_training import StagedTraining

__all__ = ["NOTE_NAME", "TimeBudget"]

NOTE_NAME = "time_budget.json"
"""File in the work dir that says how much of the time is used, for a run that is killed."""

_WHERE = "custom_hooks.TimeBudget"
# In the message hub, which every checkpoint contains.
_USED, _POSITION = "time_budget_used_s", "time_budget_position"
_NEEDED = "time_budget_needed_s"  # for a step, and the end after it
# What a killed run may use without having noted it: 5 s, and 1 % of the budget.
_NOTE_EVERY_S = 5.0
_NOTE_EVERY_SHARE = 0.01
_NOTE_LIMITS = Limits(size_bytes=1000, values=10)
_Times = tuple[float, float, float, float]


class TimeBudget(Hook):
    """End a run by its steps or by the clock, whichever is first, with the schedule at its end.

    As long as the steps that are left fit into the time, nothing is changed: that is judged by what
    steps usually take, so a slow first one shortens nothing. Where they do not fit, the schedulers
    move on by more than one step at a time, so that what is left of the schedule fits into what is
    left of the time: rates fall to their end as they would have, in fewer steps. The last step is
    followed by its validation and its checkpoint, as every last step, and they fit into the time:
    the longest pause between two steps so far is kept free for them. Gradients that are accumulated
    are used up by it.

    The time counts from the start of the run, with validations and checkpoints. It survives a
    resume: time that was used counts, also that after the last checkpoint (the file
    ``time_budget.json`` in the work dir notes it every 5 s, or more often for a small budget). A
    run whose time is used trains no further step. A run with a budget depends on the clock, so two
    runs differ; for equal runs, train a number of steps. A loop that counts epochs ends with a
    whole epoch, which its duration decides.

    Args:
        minutes: The time, in minutes; give this or ``seconds``.
        seconds: The time, in seconds.
        reserve_s: Time for the last validation and checkpoint, until one was measured.

    Raises:
        ConfigError: No time or two times are given, or it is not above 0; or, when training
            begins, the stages of `StagedTraining` end at steps.

    Source:
        That a schedule which ends with the budget beats one that is cut off: Li et al. 2020,
        Budgeted Training, arXiv:1905.04753. Theirs counts steps, this one counts time.
    """

    # Before the step is timed by others, and before CheckpointHook asks for the last step.
    priority = "VERY_HIGH"

    def __init__(
        self,
        minutes: float | None = None,
        seconds: float | None = None,
        reserve_s: float = 0.0,
    ) -> None:
        self.seconds = _read_time(minutes, seconds)
        if not 0 <= reserve_s < self.seconds:
            message = f"cannot train by the clock: reserve_s is {reserve_s!r}, expected 0 to less "
            message += f"than the {self.seconds:g} s of the budget."
            raise ConfigError(message, where=_WHERE, hint="leave it out, or make it smaller.")
        self._reserve_s = float(reserve_s)
        self._begun = time.monotonic()
        self._before_s = 0.0  # used in earlier sessions
        self._pace = Pace()
        self._by_epoch = False  # what the schedule counts; else steps
        self._length = self._most = 0  # of the whole schedule, and of the run in steps
        self._position = 0  # of the schedule: what is done
        self._target, self._stride = 0.0, 1.0  # where the next one is, and how far from this one
        self._first = self._done = 0  # where this session began, and what it has done
        self._is_known = False  # whether the pace is
        self._is_ending = False
        self._skipped = 0
        self._noted_s = -math.inf
        self._is_told = self._is_unwritable = False

    @property
    def left_s(self) -> float:
        """Seconds until the budget is used; the line that shows progress asks for them."""
        return max(0.0, self.seconds - self._used_s())

    def before_run(self, runner: Any) -> None:
        """Start the clock.

        Args:
            runner: The runner.
        """
        self._begun = time.monotonic()

    def before_train(self, runner: Any) -> None:
        """Check the run, and take up the time and the place of an earlier session.

        Args:
            runner: The runner.

        Raises:
            ConfigError: Stages end at steps.
        """
        _check_run(runner)
        self._by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self._length = runner.max_epochs if self._by_epoch else runner.max_iters
        self._most = runner.max_iters
        done = runner.epoch if self._by_epoch else runner.iter
        self._position, self._before_s = done, 0.0
        if runner.iter:
            self._take_up(runner)
        self._target = self._first = self._position

    def _take_up(self, runner: Any) -> None:
        """Take up the time and the place of an earlier session, and stop if nothing is left."""
        info = runner.message_hub.runtime_info
        self._position = int(info.get(_POSITION, self._position))
        note = Path(runner.work_dir) / NOTE_NAME
        self._before_s = max(float(info.get(_USED, 0.0)), _read_note(note))
        text = "%.0f s of the budget of %.0f s were used before"
        runner.logger.info(text, self._before_s, self.seconds)
        needed_s = max(float(info.get(_NEEDED, 0.0)), self._reserve_s)
        if self._position < self._length and self._before_s + needed_s < self.seconds:
            return
        used = f"{self._before_s:.0f} s of the time budget of {self.seconds:.0f} s"
        reason = f"{used} are used, too much for another step"
        if self._position >= self._length:
            reason = f"the schedule is at its end, after {used}"
        runner.train_loop.stop_training = True
        runner.message_hub.update_info("stop_reason", reason)
        runner.logger.info("training no further step: %s", reason)

    def before_train_epoch(self, runner: Any) -> None:
        """Move a schedule of epochs to where the clock says.

        Args:
            runner: The runner.
        """
        if self._by_epoch:
            self._begin(runner, 0)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Move a schedule of steps to where the clock says.

        Args:
            runner: The runner.
            batch_idx: Of the step in its epoch.
            data_batch: Not used.
        """
        if not self._by_epoch:
            self._begin(runner, 0)
            return
        self._pace.begin(self._used_s())
        if not self._is_known and self._pace.usual_s is not None:  # within the first epochs
            self._begin(runner, batch_idx)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Time the step, and note what is used.

        Args:
            runner: The runner.
            batch_idx: Not used.
            data_batch: Not used.
            outputs: Not used.
        """
        used_s = self._used_s()
        self._pace.end(used_s)
        if not self._by_epoch:
            self._end(runner)
        runner.message_hub.update_info(_USED, used_s)
        if used_s - self._noted_s >= min(_NOTE_EVERY_S, _NOTE_EVERY_SHARE * self.seconds):
            self._note(runner)

    def after_train_epoch(self, runner: Any) -> None:
        """Take the epoch as done.

        Args:
            runner: The runner.
        """
        if self._by_epoch:
            self._end(runner)

    def before_val(self, runner: Any) -> None:
        """Time the validation.

        Args:
            runner: The runner.
        """
        self._pace.validate()

    def _begin(self, runner: Any, batch: int) -> None:
        """Move the schedule to where the clock says, and say whether this step is the last.

        Args:
            runner: The runner.
            batch: Of an epoch, the step that begins; else 0.
        """
        self._pace.begin(self._used_s())
        used_s, step_s, validation_s, reserve_s = self._seen()
        left_s, unit_s = self.seconds - reserve_s - used_s, self._steps(runner) * step_s
        if self._pace.usual_s is not None:
            self._spread(runner, left_s, unit_s, validation_s)
        if self._is_ending:
            return
        this_s, count = self._group_s(runner, step_s, batch)
        # Is there time for as much after it, and the validations in between?
        pause_s = reserve_s * self._validations(runner, count)
        is_last = this_s + count * unit_s + pause_s > left_s
        self._move(runner, self._length - 1 if is_last else int(self._target))
        if is_last or self._position >= self._length - 1:
            self._end_run(runner)

    def _spread(self, runner: Any, left_s: float, unit_s: float, validation_s: float) -> None:
        """Spread what is left of the schedule over what is left of the time."""
        left = self._length - self._position
        needed_s = left * unit_s + self._validations(runner, left - 1) * validation_s
        self._stride = max(1.0, needed_s / max(left_s, 1e-9))
        if not self._is_known and self._stride > 1:
            # Where it would be if the pace had been known from the start.
            share = self._done / (self._done + left / self._stride)
            self._target = max(self._target, self._first + share * (self._length - self._first))
        self._is_known = True

    def _end(self, runner: Any) -> None:
        used_s, step_s, _, reserve_s = self._seen()
        self._target = max(self._target, self._position) + self._stride
        self._position += 1  # by ParamSchedulerHook, which is called after this hook
        self._done += 1
        unit_s = self._steps(runner) * step_s
        runner.message_hub.update_info(_POSITION, self._position)
        runner.message_hub.update_info(_NEEDED, unit_s + reserve_s)
        if not self._is_ending and used_s + unit_s + reserve_s > self.seconds:
            self._end_run(runner)  # the step was slower than its pace

    def _seen(self) -> _Times:
        """Return what is used, and what a step, a validation and the end take, in s."""
        pace = self._pace
        validation_s = self._reserve_s if pace.validation_s is None else pace.validation_s
        reserve_s = max(self._reserve_s, pace.longest_pause_s)
        return _of_main_process((self._used_s(), pace.least_s, validation_s, reserve_s))

    def _steps(self, runner: Any) -> int:
        """Return the number of steps in what the schedule counts."""
        return len(runner.train_loop.dataloader) if self._by_epoch else 1

    def _group_s(self, runner: Any, step_s: float, batch: int) -> tuple[float, int]:
        """Return the time up to where a run can end, and the number of epochs or steps to the next.

        A run ends with an epoch, or with a step that uses the gradients of those before.
        """
        if self._by_epoch:
            return (self._steps(runner) - batch) * step_s, 1
        count = accumulated(runner)
        return (count - runner.iter % count) * step_s, count

    def _end_run(self, runner: Any) -> None:
        self._is_ending = True
        end_with_this(runner, self._most, by_epoch=self._by_epoch)

    def _validations(self, runner: Any, count: int) -> int:
        """Return the number of validations within the next epochs or steps."""
        done = runner.epoch if self._by_epoch else runner.iter
        interval = runner.train_loop.val_interval
        return 0 if runner.val_loop is None else (done + count) // interval - done // interval

    def _move(self, runner: Any, due: int) -> None:
        """Move the schedule to a position; it never goes back."""
        count = min(due, self._length - 1) - self._position
        if count <= 0:
            return
        self._skipped += count
        if self._skipped > max(2, self._length // 20) and not self._is_told:
            self._is_told = True
            text = "the clock ends this run: its schedule is shortened to fit the time"
            runner.logger.info(text)
        move_schedulers(runner, count, by_epoch=self._by_epoch)
        self._position += count
        # Now: a stop within an epoch saves schedulers that have moved.
        runner.message_hub.update_info(_POSITION, self._position)

    def after_run(self, runner: Any) -> None:
        """Note what was used; a run that only tests uses nothing.

        Args:
            runner: The runner.
        """
        if math.isinf(self._noted_s):  # no step was done
            return
        self._note(runner)
        text = "%d steps in %.0f s of %.0f s"
        runner.logger.info(text, runner.iter, self._used_s(), self.seconds)

    def _used_s(self) -> float:
        return self._before_s + time.monotonic() - self._begun

    def _note(self, runner: Any) -> None:
        self._noted_s = self._used_s()
        if not is_main_process():
            return
        note = json.dumps({"used_s": round(self._noted_s, 1), "budget_s": self.seconds})
        try:
            replace_file(Path(runner.work_dir) / NOTE_NAME, f"{note}\n".encode())
        except DataError as error:  # such as a full disk: checkpoints note it too
            if not self._is_unwritable:
                self._is_unwritable = True
                runner.logger.warning("%s Training goes on.", error.message)


def _read_time(minutes: float | None, seconds: float | None) -> float:
    """Return the budget in seconds."""
    given = [value for value in (minutes, seconds) if value is not None]
    is_number = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given)
    if len(given) != 1 or not is_number or not 0 < given[0] < math.inf:
        found = f"minutes is {minutes!r} and seconds is {seconds!r}"
        message = f"cannot train by the clock: {found}, expected one of them, above 0."
        hint = "write dict(type='zoo.training_hooks.TimeBudget', minutes=30)."
        raise ConfigError(message, where=_WHERE, hint=hint)
    return float(given[0]) if minutes is None else 60.0 * given[0]


def _check_run(runner: Any) -> None:
    if any(isinstance(hook, StagedTraining) for hook in runner.hooks):
        message = "cannot train by the clock: the stages of StagedTraining end at steps, which a "
        message += "shortened run may not reach."
        raise ConfigError(message, where=_WHERE, hint="remove one of the two hooks.")


def _of_main_process(values: _Times) -> _Times:
    """Return the main process's times, so that all processes end with the same step."""
    if get_world_size() == 1:
        return values
    shared = [values]
    broadcast_object_list(shared)
    return shared[0]


def _read_note(path: Path) -> float:
    """Return the time that the file notes; 0 if there is none, or it is damaged."""
    try:
        content = read_json(path, _NOTE_LIMITS)
    except (OSError, DocumentError):
        return 0.0
    used = content.get("used_s") if isinstance(content, dict) else None
    if not isinstance(used, (int, float)) or isinstance(used, bool) or not 0 <= used < math.inf:
        return 0.0
    return float(used)
