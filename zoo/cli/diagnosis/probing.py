# SPDX-License-Identifier: Apache-2.0
"""Run probes beside the other checks, and go on with the rest after one that ended its process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from zoo.checking.isolation.allowance import Allowance
from zoo.cli.diagnosis.mend import python_flags

__all__ = ["Probes"]

_CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv.pop())
from zoo.cli.diagnosis.probe import main
main()
"""
_START_S = 30.0  # for Python itself, beside what a job may take
_LAST_S = 5.0  # to end, once all is told


class Probes:
    """Jobs of `zoo.cli.diagnosis.probe` that run while other checks do.

    Args:
        jobs: Name -> job. A job's ``kind`` is ``import``, ``torch``, ``ops`` or ``target``; targets
            are left out once an import has failed.
        timeout_s: Seconds that one job may compute, or wait. On a busy machine it may take up to
            four times as long by the clock.
    """

    def __init__(self, jobs: Mapping[str, Mapping[str, Any]], timeout_s: float) -> None:
        self._names, self._jobs = list(jobs), list(jobs.values())
        self._timeout_s = timeout_s
        self._results: dict[int, dict[str, Any]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def results(self) -> dict[str, dict[str, Any]]:
        """Wait for all jobs, and return the result of each.

        A result is empty if all is well. Otherwise ``error``, ``text`` and more say what the code
        raised, ``refused`` what zoo says of a target, ``ended`` how the process ended, and ``late``
        why it was given up: nothing is known of that job. ``left_out`` marks what was not tried.
        """
        self._thread.join()
        nothing: dict[str, Any] = {"left_out": True}
        return {name: self._results.get(at, nothing) for at, name in enumerate(self._names)}

    def _run(self) -> None:
        left, has_failed = list(enumerate(self._jobs)), False
        while left:
            try:
                ending = self._run_some(left, has_failed)
            except OSError as error:  # such as of memory, or of the number of processes
                reason = f"no process can be started for it: {error.strerror or error}"
                ending = {"ended": reason}
            left = [each for each in left if each[0] not in self._results]
            if left:  # the first that has not come back did it
                number, _ = left.pop(0)
                self._results[number] = ending
            has_failed = any(
                {"error", "ended", "late"} & result.keys()
                for number, result in self._results.items()
                if self._jobs[number]["kind"] == "import"
            )

    def _run_some(
        self, jobs: Sequence[tuple[int, Mapping[str, Any]]], has_failed: bool
    ) -> dict[str, Any]:
        """Start a process for jobs, collect what it tells, and return the result of its end."""
        words = [sys.executable, *python_flags(), "-c", _CODE, json.dumps(sys.path)]
        env = os.environ | {"PYTHONFAULTHANDLER": ""}
        is_posix = os.name == "posix"
        process = subprocess.Popen(  # noqa: S603 - this Python, and our own code
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=is_posix,  # what a module starts ends with it
        )
        _send(process.stdin, {"jobs": jobs, "has_failed": has_failed})
        try:
            reason = self._collect(process)
        finally:
            _kill(process)
        return {"ended": _ending(process.returncode)} if reason is None else {"late": reason}

    def _collect(self, process: subprocess.Popen[bytes]) -> str | None:
        """Keep the results that a process tells; return why it is given up, or None at its end."""
        messages = _Messages(process.stdout)
        allowance = Allowance(process.pid, self._timeout_s + _START_S)
        while True:
            reason = allowance.wait(messages)
            if reason is not None:
                return reason
            told = messages.recv()
            if told is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LAST_S)
                lives = process.returncode is None
                return "it closed the output of its process, and did not finish" if lives else None
            allowance = Allowance(process.pid, self._timeout_s)
            if "ends" in told:
                self._results[told["ends"]] = told["result"]


class _Messages:
    """What a probe tells, read as it comes."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._next: list[dict[str, Any] | None] = []
        threading.Thread(target=self._read, daemon=True).start()

    def poll(self, timeout: float, /) -> bool:
        """Return whether a message, or the end, comes within so many seconds."""
        if not self._next:
            with suppress(queue.Empty):
                self._next.append(self._queue.get(timeout=timeout))
        return bool(self._next)

    def recv(self) -> dict[str, Any] | None:
        """Return the message that `poll` has found, or None at the end."""
        return self._next.pop()

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                told = _told(line)
                if told is not None:
                    self._queue.put(told)
        self._queue.put(None)


def _told(line: bytes) -> dict[str, Any] | None:
    """Return what a probe tells, or None for what a module wrote into its output."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and {"starts", "ends"} & told.keys() else None


def _send(pipe: Any, work: Mapping[str, Any]) -> None:
    try:
        with pipe:
            pipe.write(json.dumps(work).encode())
    except OSError:  # it has ended: what it does not tell says so
        return


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended the process with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"it ended the process by {name}"
