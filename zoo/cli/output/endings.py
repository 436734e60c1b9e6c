# SPDX-License-Identifier: Apache-2.0
"""How a command ends on a signal: Ctrl-C, `kill`, a closed terminal."""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from zoo.cli.output.printing import discard, say
from zoo.engine.processes.launched import STARTED_BY
from zoo.engine.processes.telling import is_first_to_tell

__all__ = ["StoppedError", "Stopping", "end_stopped", "raising_on_signals", "resume_command"]

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


class StoppedError(KeyboardInterrupt):
    """A signal told the command to stop.

    Args:
        signal_number: Which.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.signal_number = signal_number


class Stopping:
    """Whether a signal told the command to stop, and which.

    Attributes:
        signal_number: The first one, or None.
    """

    signal_number: int | None = None

    def __init__(self) -> None:
        self._pid = os.getpid()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Record the signal and raise `StoppedError`; a forked process just ends.

        Args:
            number: Number of the signal.
            frame: The interrupted frame; not used.
        """
        if os.getpid() != self._pid:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self.signal_number is None:
            self.signal_number = number
        elif number != signal.SIGINT:
            return  # a closing terminal signals twice, and cleaning up needs time
        raise StoppedError(self.signal_number)


def _leave_to_system() -> None:
    # The last handler is torch's: it raises for a data worker that Python itself ends on exit.
    for name in (*_SIGNALS, "SIGCHLD"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextmanager
def raising_on_signals() -> Iterator[Stopping]:
    """Raise `StoppedError` on a stop signal, and yield the object that records it.

    A signal that this process was started to ignore, for example by nohup, stays ignored.
    """
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = {}
    try:
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, stopping.handle)
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        # During Python's exit there is nothing to save and no traceback to show.
        atexit.unregister(_leave_to_system)
        atexit.register(_leave_to_system)


def end_stopped(ctx: click.Context, error: BaseException, signal_number: int) -> None:
    """Report that a command was stopped and how to resume, and exit with the shell's code.

    Args:
        ctx: Context of the command.
        error: The exception that ended it; the text of a `KeyboardInterrupt` is shown.
        signal_number: 2 for Ctrl-C, which exits with 130.
    """
    if not is_first_to_tell():
        ctx.exit(128 + signal_number)
    text = str(error) if isinstance(error, KeyboardInterrupt) else ""
    lines = [text or "interrupted"]
    if getattr(error, "is_resumable", False) and _resumes(ctx.command):
        lines.append(f"resume with: {resume_command(ctx)}")
    say(*lines, err=True)
    # If the terminal is gone, Python would write again on exit, and exit with 120.
    discard(sys.stdout)
    discard(sys.stderr)
    ctx.exit(128 + signal_number)


def _resumes(command: click.Command) -> bool:
    """Return whether a command has the option ``--resume``; a plugin's may train without it."""
    return any("--resume" in param.opts for param in command.params)


def resume_command(ctx: click.Context) -> str:
    """Return the command line of a context with ``--resume``.

    Args:
        ctx: Context of the command to resume.
    """
    args: Sequence[str] = ctx.meta.get("zoo.args", ())
    path = ctx.command_path.split()
    if STARTED_BY in os.environ:  # a script that started several processes
        path, args = [], shlex.split(os.environ[STARTED_BY])
    elif path[0].endswith(".py"):
        path = ["python", sys.argv[0], *path[1:]]
    words = [word for word in args if word.partition("=")[0] != "--resume"]
    at = words.index("--") if "--" in words else len(words)
    return shlex.join([*path, *words[:at], "--resume", *words[at:]])
