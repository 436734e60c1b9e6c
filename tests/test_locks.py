# SPDX-License-Identifier: Apache-2.0
"""Locks that end with their process: held, given back, killed, forked, and where there are none."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import zoo
from zoo.files import has_no_locks, is_held, try_lock

HOLD = """
import os, sys, time
from pathlib import Path
from zoo.files import try_lock
lock = try_lock(Path(sys.argv[1]))
if len(sys.argv) > 2 and not os.fork():
    time.sleep(300)
    os._exit(0)
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that takes the lock and keeps it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    words = [sys.executable, "-c", HOLD, str(path), *more]
    with subprocess.Popen(words, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("old", [None, b"", b"what an older run left"])
def test_lock_is_taken_once_and_given_back(tmp_path: Path, old: bytes | None) -> None:
    """A file that only lies there locks nobody out."""
    path = tmp_path / "x.lock"
    if old is not None:
        path.write_bytes(old)

    first = try_lock(path)
    second, held = try_lock(path), is_held(path)
    assert first is not None
    first.release()
    third = try_lock(path)

    assert (second, held) == (None, True)
    assert third is not None
    third.release()
    assert not is_held(path)


@pytest.mark.parametrize("more", [(), ("fork",)], ids=["alone", "with a child that lives on"])
def test_lock_of_another_process_ends_when_it_is_killed(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    """As training that is killed, whose data workers end later."""
    path = tmp_path / "x.lock"

    with holder(path, *more) as process:
        while_it_lives = (is_held(path), try_lock(path))
        process.kill()
        process.wait()
        # A child that was forked a moment ago gives its copy back once it gets to run.
        deadline_s = time.monotonic() + 120
        while (lock := try_lock(path)) is None and time.monotonic() < deadline_s:
            time.sleep(0.05)

        assert while_it_lives == (True, None)
        assert lock is not None
        lock.release()


def test_lock_that_is_not_there_is_not_held_and_not_made(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "x.lock")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_lock_on_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """No file that only exists is taken in place of a lock: it would outlive a killed process."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.lock"
    monkeypatch.setattr("fcntl.flock", refuse)

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        try_lock(path)

    assert has_no_locks(caught.value)
    assert is_held(path) is path.exists()


def test_lock_that_cannot_be_made_is_another_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"director|exists") as caught:
        try_lock(tmp_path / "file" / "x.lock")

    assert not has_no_locks(caught.value)


def test_core_takes_no_lock_of_its_own() -> None:
    """Every lock is one of filelock's."""
    found = [
        path.name
        for path in Path(zoo.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and {"fcntl", "msvcrt"} & {one.name for one in node.names}
    ]

    assert found == []
