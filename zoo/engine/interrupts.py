# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C during training: the step that runs is finished, a checkpoint is saved, then it stops."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["InterruptedRunError", "saving_on_interrupt"]


class InterruptedRunError(KeyboardInterrupt):
    """The user stopped a run, and its state was saved.

    Args:
        step: Training steps that are done.
        checkpoint: What to resume from.
    """

    def __init__(self, step: int, checkpoint: Path) -> None:
        super().__init__(f"stopped after step {step}; saved {checkpoint}.")
        self.step = step
        self.checkpoint = checkpoint


class _StopBetweenStepsError(BaseException):
    """Leaves the loops; no handler of errors may take it for one."""


@contextmanager
def saving_on_interrupt(runner: Runner, note: Callable[[str], None]) -> Iterator[None]:
    """Turn the first Ctrl-C inside the block into a saved checkpoint and a clean stop.

    The handler replaces ``run_iter`` of the loops by one that stops, so that no step is torn and
    none costs more than before. A second Ctrl-C stops at once and saves nothing. Outside the main
    thread, where Python allows no handlers, Ctrl-C does what it always does.

    Args:
        runner: The runner that trains inside the block.
        note: Called with what is about to happen, for the user.

    Raises:
        InterruptedRunError: It was stopped; a `KeyboardInterrupt`, so that callers need not know.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopper = _Stopper(runner, note)
    previous = signal.signal(signal.SIGINT, stopper.handle)
    try:
        yield
    except _StopBetweenStepsError:
        pass
    except RuntimeError:
        # A terminal sends Ctrl-C to the workers too, and the loader then complains of dead ones.
        if not stopper.is_asked:
            raise
    finally:
        signal.signal(signal.SIGINT, previous)
    if stopper.is_asked:
        raise stopper.save()


class _Stopper:
    def __init__(self, runner: Runner, note: Callable[[str], None]) -> None:
        self._runner, self._note = runner, note
        self._pid = os.getpid()
        self.is_asked = False

    def handle(self, number: int, frame: Any) -> None:
        if os.getpid() != self._pid:
            return  # a forked worker: its parent tells it when to end
        loops = [getattr(self._runner, name, None) for name in ("_train_loop", "_val_loop")]
        running: list[Any] = [loop for loop in loops if hasattr(loop, "run_iter")]
        if self.is_asked or not running or not getattr(running[0], "iter", 0):
            # Asked twice, or nothing was trained yet: there is nothing to save.
            self.is_asked = False
            raise KeyboardInterrupt
        self.is_asked = True
        for loop in running:
            loop.run_iter = _stop
        self._note("stopping after this step; Ctrl-C again stops at once and saves nothing")

    def save(self) -> InterruptedRunError:
        """Save a checkpoint of the state between two steps and note it as the last one."""
        from zoo.engine.saving import open_atomically

        runner = self._runner
        step = int(runner.iter)
        folder = Path(runner.work_dir)
        meta = {"epoch": runner.epoch, "iter": step}
        name = f"iter_{step}.pth"
        runner.save_checkpoint(str(folder), name, meta=meta, by_epoch=False)
        with open_atomically(folder / "last_checkpoint", "w") as stream:
            stream.write(str(folder / name))
        return InterruptedRunError(step, folder / name)


def _stop(*args: Any, **kwargs: Any) -> None:
    raise _StopBetweenStepsError
