# SPDX-License-Identifier: Apache-2.0
"""What a plugin leaves running is ended with the check, whichever way that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.checking.process_groups import run_group

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs groups of processes")

# A process that outlives the one which starts it, and keeps its output open or not.
LEFT = """
import subprocess, sys
quiet = {{}} if {keeps} else dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], **quiet)
open({note!r}, "a").write(f"{{left.pid}} ")
{then}
"""
MANIFEST = """[plugin]
name = "pond"
version = "0.1.0"
api = 1
summary = "ponds"
license = "Apache-2.0"

[requires]
distributions = ["mmengine"]

[[hook]]
name = "PondHook"
target = "zoo_pond.hook:PondHook"
"""


def _is_running(pid: int) -> bool:
    """Return whether a process lives; a zombie, which init has yet to collect, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _left(note: Path, within_s: float = 60.0) -> list[int]:
    """Return which of the processes that were left behind live on."""
    pids = [int(word) for word in note.read_text().split()]
    assert pids
    ends_s = time.monotonic() + within_s
    while any(map(_is_running, pids)) and time.monotonic() < ends_s:
        time.sleep(0.05)
    return [pid for pid in pids if _is_running(pid)]


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("then", ["", "import time; time.sleep(300)", "raise SystemExit(3)"])
def test_run_group_ends_all_that_a_program_starts(tmp_path: Path, then: str, keeps: bool) -> None:
    """It may end, fail, wait, or leave somebody who keeps its output open."""
    note = tmp_path / "note"
    code = LEFT.format(keeps=keeps, note=str(note), then=then)

    if keeps or "sleep" in then:
        with pytest.raises(subprocess.TimeoutExpired):
            run_group([sys.executable, "-c", code], timeout_s=3)
    else:
        done = run_group([sys.executable, "-c", code], timeout_s=60)
        assert done.returncode == (3 if then else 0)

    assert _left(note) == []


@pytest.fixture
def pond(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Return a function that writes a plugin whose module leaves a process; and the note of it."""

    def write(then: str) -> tuple[Path, Path]:
        package, note = tmp_path / "zoo_pond", tmp_path / "note"
        package.mkdir()
        (package / "__init__.py").write_text('"""Ponds."""\nimport zoo\n')
        (package / "zoo_plugin.toml").write_text(MANIFEST)
        code = LEFT.format(keeps=True, note=str(note), then=then)
        hook = "from mmengine.hooks import Hook\n\n\nclass PondHook(Hook):\n    pass\n"
        (package / "hook.py").write_text(f'"""A hook."""\n{hook}{code}')
        return package, note

    return write


@pytest.mark.mm
@pytest.mark.slow
def test_check_leaves_nothing_of_a_plugin_running(
    pond: Callable[[str], tuple[Path, Path]],
) -> None:
    """Its module starts a process for each case of each rule that imports it."""
    package, note = pond("")

    done = subprocess.run(
        [sys.executable, "-m", "zoo", "plugin", "check", str(package), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    json.loads(done.stdout)
    assert _left(note) == []


@pytest.mark.mm
@pytest.mark.slow
def test_check_that_is_stopped_leaves_nothing_running(
    pond: Callable[[str], tuple[Path, Path]],
) -> None:
    """And ends at once, although a case waits."""
    package, note = pond("import time; time.sleep(300)")
    words = [sys.executable, "-m", "zoo", "plugin", "check", str(package)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    ends_s = time.monotonic() + 240
    while not note.exists() and time.monotonic() < ends_s:
        time.sleep(0.1)
    time.sleep(0.5)

    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)

    assert process.returncode == 128 + signal.SIGINT, out
    assert _left(note) == []
