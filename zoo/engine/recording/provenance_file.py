# SPDX-License-Identifier: Apache-2.0
"""Write ``run.json`` as a run begins, saves and ends: where it came from, and how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from zoo.engine.provenance import memory, surroundings
from zoo.engine.provenance.public_texts import without_places
from zoo.engine.provenance.run_file import (
    NAME,
    Measured,
    Provenance,
    read_provenance,
    write_provenance,
)
from zoo.engine.recording.session_facts import begin_session, time_text
from zoo.engine.work_dir.scalars import Run, read_run
from zoo.errors import DataError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["recording_run"]

_LOG = logging.getLogger("zoo")
_BETWEEN_S = 5.0  # looks at the workers' memory
_MOST_CHARACTERS = 500  # of an error's message
_MOST_READING = 50  # times as long between two readings of the log as one takes
_QUICK_S = 0.1  # about what writing a checkpoint takes


@contextmanager
def recording_run(runner: Runner) -> Iterator[None]:
    """Write ``run.json`` before, in and after the block, which trains; on the main process only.

    A resumed run adds a session to the file. At each checkpoint and validation it says how far the
    run is, so that a kill leaves that. Nothing that goes wrong here ends a run: the log says so.

    Args:
        runner: The runner that trains inside the block, newly built.
    """
    recorder = _begin(runner) if is_main_process() else None
    if recorder is None:
        yield
        return
    try:
        yield
    except KeyboardInterrupt:
        recorder.end("stopped")
        raise
    except BaseException as error:
        recorder.end("failed", error)
        raise
    recorder.end("finished")


def _begin(runner: Runner) -> _Recorder | None:
    """Return what has begun to record a run, or None if that failed."""
    try:
        recorder = _Recorder(runner)
    except Exception as error:  # noqa: BLE001 - of a package, a machine, a repository, a config
        _warn(Path(runner.work_dir) / NAME, error)
        return None
    runner.register_hook(recorder, priority="LOWEST")
    recorder.write()
    return recorder


def _warn(path: Path, error: Exception) -> None:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    _LOG.warning("cannot write %s: %s", path, str(reason).splitlines()[0])


def _harmless(method: Callable[..., None]) -> Callable[..., None]:
    """Wrap a method of the recorder so that what it raises is one line in the log, and no more."""

    @wraps(method)
    def calling(self: _Recorder, *given: Any, **more: Any) -> None:
        try:
            method(self, *given, **more)
        except Exception as error:  # noqa: BLE001 - a record is never worth a run
            if not self.is_warned:
                self.is_warned = True
                _warn(self.path, error)

    return calling


class _Recorder(Hook):
    """Keeps the session of this process, and looks at memory while it trains."""

    def __init__(self, runner: Runner) -> None:
        self.path, self.is_warned = Path(runner.work_dir) / NAME, False
        self._runner = runner
        self._started_s, self._looked_s = time.monotonic(), 0.0
        self._workers_bytes = 0
        self._is_placed = False
        self._saved: int | None = None  # step of a checkpoint that the file does not tell of
        self._log_s = self._measured_s = 0.0
        self._owners = surroundings.find_owners()
        session = begin_session(runner, self._owners)
        earlier = _earlier(runner)
        if earlier is None:
            self._record = Provenance((session,))
        else:
            self._record = replace(earlier, sessions=(*earlier.sessions, session))

    @_harmless
    def before_train(self, runner: Runner) -> None:
        """Note the step that the run continues from, before it trains or validates.

        Args:
            runner: The runner that calls the hook.
        """
        if not self._is_placed:
            self._is_placed = True
            step = int(self._runner.iter)
            if step:
                self._change(first_step=step)
                best, last = self._record.best, self._record.last
                self._record = replace(
                    self._record, best=_until(best, step), last=_until(last, step)
                )
                self.write()

    before_val = before_train  # with which a resumed run may begin

    @_harmless
    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the step that is saved; the file tells of it once it is on the disk.

        Args:
            runner: The runner that calls the hook.
            checkpoint: What is about to be saved.
        """
        self._saved = int(checkpoint["meta"]["iter"])

    @_harmless
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the memory of the workers, now and then.

        Args:
            runner: The runner that calls the hook.
            batch_idx: Index of the step.
            data_batch: Collated images and labels.
            outputs: What the step returned.
        """
        self._look()
        self._tell_saved()

    @_harmless
    def after_train_epoch(self, runner: Runner) -> None:
        """Tell of a checkpoint of the epoch.

        Args:
            runner: The runner that calls the hook.
        """
        self._tell_saved()

    @_harmless
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Tell of a validation.

        Args:
            runner: The runner that calls the hook.
            metrics: What it measured; the log has them too.
        """
        self._saved = max(int(runner.iter), self._saved or 0)
        self._tell_saved()

    @_harmless
    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the memory of the workers, now and then.

        Args:
            runner: The runner that calls the hook.
            batch_idx: Index of the step.
            data_batch: Collated images and labels.
            outputs: What the step returned.
        """
        self._look()

    @_harmless
    def end(self, outcome: str, error: BaseException | None = None) -> None:
        """Write how the session ended.

        Args:
            outcome: ``finished``, ``stopped`` or ``failed``.
            error: What ended it, if it failed.
        """
        failure = None
        if error is not None:
            lines = str(getattr(error, "message", error)).splitlines()
            text = without_places(lines[0] if lines else "")[:_MOST_CHARACTERS]
            failure = {"kind": type(error).__name__, "message": text}
        # Without a loop, the runner would build it to answer.
        step = int(self._runner.iter) if self._is_placed else self._record.latest.first_step
        self._change(
            ended=time_text(),
            outcome=outcome,
            error=failure,
            **self._so_far(step),
        )
        self._note_packages()
        self._measure()
        self.write()

    @_harmless
    def _note_packages(self) -> None:
        self._change(packages=surroundings.describe_packages(self._owners))

    @_harmless
    def write(self) -> None:
        """Write the file."""
        write_provenance(self.path.parent, self._record)

    def _change(self, **values: Any) -> None:
        """Change the session of this process."""
        *earlier, session = self._record.sessions
        self._record = replace(self._record, sessions=(*earlier, replace(session, **values)))

    def _so_far(self, step: int) -> dict[str, Any]:
        peaks = {
            "main": memory.main_peak_bytes(),
            "workers": self._workers_bytes,
            "gpu": memory.gpu_peak_bytes(),
        }
        return {
            "last_step": step,
            "seconds": round(time.monotonic() - self._started_s, 3),
            "peak_bytes": {name: size for name, size in peaks.items() if size},
        }

    def _tell_saved(self) -> None:
        """Write how far the run is, if there is something new."""
        if self._saved is None:
            return
        step, self._saved = self._saved, None
        self._change(**self._so_far(step))
        # A long log takes long to read: at most a fiftieth of the time.
        is_quick = self._log_s <= _QUICK_S
        if is_quick or time.monotonic() - self._measured_s >= _MOST_READING * self._log_s:
            self._measure()
        self.write()

    @_harmless
    def _measure(self) -> None:
        """Take the metrics of the best step and of the last validation from the log."""
        begun_s = time.monotonic()
        best, last = _measured(self.path.parent)
        self._record = replace(self._record, best=best, last=last)
        self._measured_s = time.monotonic()
        self._log_s = self._measured_s - begun_s

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s > _BETWEEN_S:
            self._looked_s = now_s
            self._workers_bytes = max(self._workers_bytes, memory.workers_bytes())


def _earlier(runner: Runner) -> Provenance | None:
    """Return the record that a resumed run continues; None of a run that starts anew."""
    if not runner._resume:
        return None
    try:
        return read_provenance(Path(runner.work_dir))
    except DataError as error:
        _LOG.warning("%s The sessions in it are left out of the new one.", error.message)
        return None


def _until(found: Measured | None, step: int) -> Measured | None:
    """Return metrics, unless the run continues from before they were measured."""
    return found if found is not None and found.step <= step else None


def _measured(folder: Path) -> tuple[Measured | None, Measured | None]:
    """Return the metrics of the best step and of the last validation, as the log has them."""
    with suppress(DataError):  # no log, as of a run that failed before its first step
        run = read_run(folder)
        best = run.best.step if run.best is not None else None
        last = max((step for curve in _curves(run).values() for step in curve), default=None)
        return _at(run, best), _at(run, last)
    return None, None


def _curves(run: Run) -> dict[str, Mapping[int, float]]:
    losses = {f"val/{name}": curve for name, curve in run.val_losses.items()}
    return {**run.metrics, **losses}


def _at(run: Run, step: int | None) -> Measured | None:
    if step is None:
        return None
    values = {name: curve[step] for name, curve in _curves(run).items() if step in curve}
    return Measured(step, values)
