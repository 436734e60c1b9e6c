# SPDX-License-Identifier: Apache-2.0
"""Commands of zoo in processes of their own: a sweep trains by no second path."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.errors import ConfigError
from zoo.texts import printable
from zoo_ray_runs.trial_process import SAVES_S

__all__ = ["TrainProcess", "show_config"]

_FAILURE = re.compile(r"^(?:error|Error|zoo: error)\b", re.MULTILINE)
_MOST_CHARACTERS = 600


def show_config(config: str) -> str:
    """Return a resolved config as JSON, as ``zoo config show --json`` prints it.

    Args:
        config: A file, a name, or ``mmseg::folder/file.py``.

    Raises:
        ConfigError: It cannot be read; the message is that of the command.
    """
    words = [sys.executable, "-m", "zoo", "config", "show", config, "--json"]
    ended = subprocess.run(  # noqa: S603 - this interpreter, with words of ours
        words, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )
    if ended.returncode != 0:
        message, hint = _split_error(ended.stderr)
        raise ConfigError(message, hint=hint)
    return ended.stdout


def _split_error(text: str) -> tuple[str, str | None]:
    """Return the message and the hint of what a command wrote to stderr."""
    told = text.strip().removeprefix("error: ").removeprefix("Error: ")
    message, _, hint = told.partition("\nHINT: ")
    return message or "the config cannot be read.", hint or None


class TrainProcess:
    """A ``zoo train`` in its own session, which ends when this object or its process does.

    Args:
        words: The command line from ``train`` on.
        lock: Held while it runs.
        log: Takes its stderr.
        cwd: Where relative paths of the config begin.
        env: Variables, besides those of this process.
    """

    def __init__(
        self, words: Sequence[str], *, lock: Path, log: Path, cwd: Path, env: Mapping[str, str]
    ) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            self._begun_at = stream.tell()
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with words of ours
                [sys.executable, "-m", "zoo_ray_runs.trial_process", str(lock), *words],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                cwd=cwd,
                env={**os.environ, **env},
                start_new_session=True,  # Ctrl-C reaches the sweep alone, which stops its trials
            )

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Let it save its step and end."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SAVES_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def failure(self) -> str:
        """Return why it failed: the last error of its log, or the signal that ended it."""
        code = self._process.returncode
        with self._log.open("rb") as stream:
            stream.seek(self._begun_at)
            text = stream.read().decode("utf-8", "replace")
        found = list(_FAILURE.finditer(text))
        if code < 0 and not found:
            name = signal.Signals(-code).name
            more = ", perhaps because memory did not suffice" if name == "SIGKILL" else ""
            return f"it was ended by {name}{more}."
        said = text[found[-1].start() :] if found else text.strip().rpartition("\n")[2]
        said = said.removeprefix("error: ").removeprefix("Error: ").strip()
        return printable(said, keep="\n")[:_MOST_CHARACTERS] or f"it ended with exit code {code}."
