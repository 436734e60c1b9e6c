# SPDX-License-Identifier: Apache-2.0
"""Run a command in its own terminal, where keys reach its whole process group."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["Terminal"]

CTRL_C = b"\x03"


class Terminal:
    """Starts a command as the leader of a session on a pseudo-terminal.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: Environment; None for that of this process.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._output = bytearray()
        self.pid, self._handle = pty.fork()
        if not self.pid:
            self._become([str(word) for word in command], folder, environment)
        termios.tcsetwinsize(self._handle, (40, 200))  # without a size, no progress bar is shown
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def _become(
        words: list[str], folder: Path | None, environment: Mapping[str, str] | None
    ) -> None:
        try:
            for number in (signal.SIGINT, signal.SIGHUP):  # the shell or nohup ignores it
                signal.signal(number, signal.SIG_DFL)
            if folder is not None:
                os.chdir(folder)
            os.execvpe(words[0], words, dict(os.environ if environment is None else environment))  # noqa: S606 - that is what it is for
        finally:
            os._exit(127)

    def _read(self) -> None:
        with suppress(OSError):  # Linux reports the end of a terminal as an error
            while data := os.read(self._handle, 65536):
                self._output += data

    @property
    def text(self) -> str:
        """The output so far, without control sequences that redraw lines."""
        return re.sub(r"\x1b\[\w+|\r", "", bytes(self._output).decode(errors="replace"))

    def press_ctrl_c(self) -> None:
        """Type Ctrl-C: the kernel sends SIGINT to all processes in the foreground."""
        with suppress(OSError):  # the command has ended
            os.write(self._handle, CTRL_C)

    def type(self, text: str) -> None:
        """Type text, as a user at the keyboard does.

        Args:
            text: What to type; a line ends with a line break.
        """
        os.write(self._handle, text.encode())

    def hang_up(self) -> None:
        """Close the terminal: the kernel sends SIGHUP."""
        os.close(self._handle)

    def wait_for(self, pattern: str, timeout_s: float = 300) -> bool:
        """Wait until the output matches a pattern; False if the command ends or takes too long.

        Args:
            pattern: Regular expression.
            timeout_s: Time limit in seconds.
        """
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            if re.search(pattern, self.text):
                return True
            if not self.is_running():
                return re.search(pattern, self.text) is not None
            time.sleep(0.01)
        return False

    def is_running(self) -> bool:
        """Return whether the command is running."""
        done = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return done is None

    def wait(self, timeout_s: float = 300) -> int:
        """Wait for the command to end and return its exit code, negative for a signal.

        Args:
            timeout_s: Time limit in seconds.

        Raises:
            TimeoutError: It is still running; it and its children are killed.
        """
        end_s = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > end_s:
                message = f"still runs after {timeout_s} s: {self._listed()}\n{self.text}"
                self.kill()
                raise TimeoutError(message)
            time.sleep(0.01)
        self._reader.join(timeout=10)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kill the command and its children."""
        for pid in self.others(with_leader=True):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def others(self, wait_s: float = 0, *, with_leader: bool = False) -> list[int]:
        """Return the processes of the session, without the command itself.

        Args:
            wait_s: Seconds to wait for them to end.
            with_leader: Whether to include the command.
        """
        end_s = time.monotonic() + wait_s
        while True:
            rows = [line.split() for line in self._ps("pid=,stat=").splitlines()]
            # What has ended is listed until its parent, often the system's first process, collects.
            pids = [int(pid) for pid, state in rows if not state.startswith("Z")]
            pids = [pid for pid in pids if with_leader or pid != self.pid]
            if not pids or time.monotonic() >= end_s:
                return pids
            time.sleep(0.1)

    def _listed(self) -> str:
        return self._ps("pid,ppid,stat,wchan:20,time,args")

    def _ps(self, columns: str) -> str:
        command = ["ps", "-o", columns, "-s", str(self.pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
