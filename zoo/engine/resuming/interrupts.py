# SPDX-License-Identifier: Apache-2.0
"""Handle Ctrl-C during training: finish the current step, save a checkpoint, then stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from mmengine.dist import is_main_process
from mmengine.runner import IterBasedTrainLoop

from zoo.engine.processes.telling import has_failed
from zoo.engine.resuming.averages import Averages
from zoo.engine.resuming.joint_stop import JointStop
from zoo.engine.resuming.notes import speaking
from zoo.engine.resuming.place import Place, find_hook, is_validation_due
from zoo.engine.resuming.retention import save_stop
from zoo.engine.resuming.shielding import deferring_dead_workers
from zoo.engine.worker_errors import dead_worker, is_of_loader
from zoo.engine.worker_memory import advise_workers
from zoo.errors import TrainingError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["InterruptedRunError", "saving_on_interrupt"]

# A closed terminal sends SIGHUP, twice; `kill`, a scheduler or a container's end SIGTERM; Slurm,
# before the time of a job is over, what the job asks for, by custom SIGUSR1.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
_LATE_S = 0.5  # a process may receive a signal to its group this much later than its workers
_SAME_S = 0.5  # `timeout`, launchers and impatient fingers send one Ctrl-C twice within it


class InterruptedRunError(KeyboardInterrupt):
    """The user stopped a run, and its state was saved.

    Args:
        step: Number of finished training steps.
        checkpoint: The checkpoint to resume from.
        signal_number: The signal that stopped it.
    """

    is_resumable = True

    def __init__(self, step: int, checkpoint: Path, *, signal_number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped after step {step}; saved {checkpoint}.")
        self.step = step
        self.checkpoint = checkpoint
        self.signal_number = int(signal_number)


class _StopBetweenStepsError(BaseException):
    """Leaves the loops; no error handler may catch it."""


@contextmanager
def saving_on_interrupt(runner: Runner, note: Callable[[str], None]) -> Iterator[None]:
    """Turn the first Ctrl-C inside the block into a saved checkpoint and a clean stop.

    SIGTERM, SIGHUP and SIGUSR1 do the same, unless ignored. The handler only records the signal;
    the loops stop after the current step, or within a validation before its next step, so that no
    step is interrupted. A later Ctrl-C within a step stops at once and saves nothing, but only
    after the note has said so; while the loop waits for data it saves, and while a checkpoint is
    written it has no effect. One within half a second of the note is the same Ctrl-C. Several
    processes of one run stop before the same step, and only use the first signal. Outside the main
    thread, where Python allows no handlers, Ctrl-C has its usual effect.

    A data worker that dies also stops the run in this way.

    Args:
        runner: The runner that trains inside the block; its loops are built.
        note: Called with a message for the user on what is about to happen, from another thread.

    Raises:
        InterruptedRunError: It was stopped; a `KeyboardInterrupt`, so that callers need not know.
        TrainingError: A data worker died; the run was saved.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with speaking(note) as say:
        yield from _saving(_Stopper(runner, say))


def _saving(stopper: _Stopper) -> Iterator[None]:
    with deferring_dead_workers(stopper.is_busy), stopper.handling():
        try:
            yield
        except _StopBetweenStepsError:
            pass
        except Exception as error:
            if not stopper.can_save(error):
                raise
            key = stopper.loader_in_use()
            advice = advise_workers(key, stopper.count_workers(key))  # while other workers live
            if not stopper.is_asked_soon():
                raise _worker_died(error, stopper.save(), key, advice) from error
        if stopper.signal_number is not None:
            raise stopper.save()


def _worker_died(
    error: Exception, saved: InterruptedRunError, key: str, advice: str
) -> TrainingError:
    message = f"cannot continue: {dead_worker(error)}; the run {saved}"
    hint = f"continue with --resume; {advice}."
    return TrainingError(message, where=f"{key}.num_workers", hint=hint)


class _Stopper:
    """Records a stop request, and stops the loops where nothing is interrupted."""

    def __init__(self, runner: Runner, note: Callable[[str], None]) -> None:
        self._runner, self._note = runner, note
        self._pid = os.getpid()
        self._previous: dict[int, Any] = {}
        self._is_stepping = self._is_validating = self._is_saving = self._is_torn = False
        self._is_measuring = False  # in a step of a validation
        self._has_trained = self._is_warned = False
        self._told_s = 0.0
        self._joint, self._averages = JointStop(), Averages(runner)
        self._place = find_hook(runner, Place)
        self.signal_number: int | None = None
        self._watch(getattr(runner, "_train_loop", None), "run_iter", self._step)
        self._watch(getattr(runner, "_val_loop", None), "run_iter", self._validate_step)
        self._watch(getattr(runner, "_val_loop", None), "run", self._validate)

    def _watch(self, loop: Any, name: str, around: Callable[..., Any]) -> None:
        method = getattr(loop, name, None)
        if callable(method):
            setattr(loop, name, lambda *args, **kwargs: around(method, *args, **kwargs))

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals that this process does not ignore."""
        try:
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._handle)
            yield
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def is_busy(self) -> bool:
        """Return whether something runs that nothing may end halfway: a step or saving.

        Of a validation, that is what hooks do before and after its steps: they exchange weights,
        and count.
        """
        is_between = self._is_validating and not self._is_measuring
        is_within = self._is_stepping or is_between or self._is_saving
        return is_within or self.signal_number is not None

    def can_save(self, error: Exception) -> bool:
        """Return whether an error is from a missing worker or a stop, and the state is complete."""
        # A signal to the whole group ends the workers too, and the loader misses them.
        is_stopped = self.signal_number is not None and is_of_loader(error)
        if not self._joint.has_others:  # they would go on, and nobody save
            is_stopped = is_stopped or dead_worker(error) is not None
        return is_stopped and self._has_trained and not self._is_torn

    def loader_in_use(self) -> str:
        """Return the key of the loader that is read now, if it has workers, else of the other."""
        keys = ["train_dataloader", "val_dataloader"]
        if self._is_validating:
            keys.reverse()
        return next((key for key in keys if self.count_workers(key)), keys[0])

    def count_workers(self, key: str) -> int:
        """Return the number of workers of a loader.

        Args:
            key: ``train_dataloader`` or ``val_dataloader``.
        """
        loop = self._runner.train_loop if key.startswith("train") else self._runner.val_loop
        return int(getattr(getattr(loop, "dataloader", None), "num_workers", 0))

    def is_asked_soon(self) -> bool:
        """Return whether the signal that ended a worker also reaches this process."""
        end_s = time.monotonic() + _LATE_S
        while self.signal_number is None and time.monotonic() < end_s:
            time.sleep(0.01)
        return self.signal_number is not None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return  # a forked process: its parent ends it
        if self._joint.has_others and has_failed():
            raise SystemExit(1)  # the launcher stops those that the failed process has left
        if self._is_saving:
            self._note("the checkpoint is being saved; this ends by itself")
        elif self.signal_number is None and (self._has_trained or self._is_stepping):
            self.signal_number = number
            self._say_what_next()
        elif self.signal_number is None:
            self._stop_at_once(number, frame)
        elif number == signal.SIGINT and not self._joint.has_others:
            # A closing terminal signals twice, and launchers forward what processes already got.
            self._hear_again(number, frame)

    def _hear_again(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._told_s < _SAME_S:
            return
        if self._can_stop_here():
            raise _StopBetweenStepsError
        if self._is_warned:
            self._stop_at_once(number, frame)
        else:
            self._say_what_next()

    def _can_stop_here(self) -> bool:
        return self._has_trained and not self._is_stepping and not self._is_validating

    def _say_what_next(self) -> None:
        self._is_warned = not self._can_stop_here()
        if self._is_warned:
            self._note("stopping after this step; Ctrl-C again stops at once and saves nothing")
        else:
            self._note("stopping after the next step; Ctrl-C again stops before it")
        self._told_s = time.monotonic()

    def _stop_at_once(self, number: int, frame: FrameType | None) -> None:
        """Do what the signal did before: nothing was trained yet, or this is the second request."""
        self.signal_number = None
        previous = self._previous[number]
        if callable(previous):
            previous(number, frame)
            return
        signal.signal(number, previous)
        os.kill(os.getpid(), number)

    def _step(self, run_iter: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._joint.has_others and self.signal_number is not None:
            self._joint.ask(int(self._runner.iter))
        self._is_stepping = self._is_torn = True
        try:
            run_iter(*args, **kwargs)
            self._is_torn = False
        finally:
            self._is_stepping = False
        self._has_trained = True
        if self._joint.has_others:
            self._stop_jointly()
        else:
            self._place.note_step(self._runner)
            self._stop_if_asked()

    def _stop_jointly(self) -> None:
        """Stop after the step after which all processes stop, before the next batch is read."""
        if self._joint.is_before(int(self._runner.iter)):
            self.signal_number = self.signal_number or signal.SIGINT
            raise _StopBetweenStepsError

    def _validate_step(self, run_iter: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if not self._joint.has_others:  # they combine their results at the end
            self._stop_if_asked()
        self._is_measuring = True
        try:
            run_iter(*args, **kwargs)
        finally:
            self._is_measuring = False

    def _validate(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._is_validating = True
        result = run(*args, **kwargs)
        self._is_validating = False  # and not after a stop within it: it is due then
        return result

    def _stop_if_asked(self) -> None:
        if self.signal_number is not None:
            raise _StopBetweenStepsError

    def save(self) -> InterruptedRunError:
        """Save a checkpoint of the state between two steps and record it as the last one."""
        self._is_saving = True
        runner, place = self._runner, self._place
        if not self._joint.has_others:  # they stop before the next batch is read
            place.take_back_reading(runner)
        place.is_validation_due = self._is_validating or _is_validation_due(runner, place)
        self._averages.take_back(runner)
        path = save_stop(runner)
        self._joint.leave_together(int(runner.iter), has_saved=is_main_process())
        number = signal.SIGINT if self.signal_number is None else self.signal_number
        return InterruptedRunError(int(runner.iter), path, signal_number=number)


def _is_validation_due(runner: Runner, place: Place) -> bool:
    """Return whether a loop by iterations would validate before its next step."""
    if not isinstance(runner.train_loop, IterBasedTrainLoop):
        return False  # a loop by epochs validates after an epoch, which resuming ends first
    if place.has_validated(runner.iter):
        return False
    return is_validation_due(runner, epochs=runner.epoch, steps=runner.iter)
