# SPDX-License-Identifier: Apache-2.0
"""A warm start of ``zoo`` does what a cold one does; see ``tools/warm_zoo.py``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm

COLD = Path(sys.executable).with_name("zoo")
ROW = """
[[command]]
name = "tell"
target = "zoo_odd.command:command"
summary = "Tell what this process is."
"""
CODE = """
import atexit
import json
import os
import signal
import sys
import threading
import time

import click


@click.command()
@click.argument("how", default="")
def command(how):
    '''Tell what this process is.'''
    print(sys.argv[1:], os.getcwd(), os.environ["WORD"], oct(os.umask(0)), sys.path[0])
    print(sys.stdin.read() if how == "read" else "", "torch" in sys.modules, file=sys.stderr)
    if how == "late":
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (time.sleep(0.3), print("of a thread"))).start()
    if how == "bug":
        raise ValueError("a bug")
    if how.isdigit():
        sys.exit(int(how))
    if how.startswith("SIG"):
        sys.stdout.flush()
        os.kill(os.getpid(), getattr(signal, how))
    if how == "wait":
        print(os.getpid(), flush=True)
        time.sleep(60)
"""


@pytest.fixture
def env(write_plugin: Callable[..., Path], tmp_path: Path) -> dict[str, str]:
    """Write the plugin, and return the variables with which it is found."""
    write_plugin("odd", ROW, command=CODE)
    fence = {"HOME": str(tmp_path), "ZOO_PLUGIN_PATH": str(tmp_path), "ZOO_PLUGINS": "odd"}
    return {"PATH": os.environ["PATH"], "WORD": "of two\nlines, \udcff", **fence}


@pytest.mark.parametrize(
    "words",
    [
        *("tell", "tell read", "tell late", "tell bug", "tell 0", "tell 7", "tell 300"),
        *("tell SIGKILL", "tell SIGTERM", "tell SIGSEGV", "tell --no-such"),
        *("nothing", "train nothing", "--version"),
    ],
)
def test_warm_start_ends_like_a_cold_one(
    warm_zoo: Path, env: dict[str, str], tmp_path: Path, words: str
) -> None:
    """Code or signal, and both outputs; but torch is there already."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    cold, warm = (
        subprocess.run(
            [program, *words.split()],
            cwd=folder,
            env=env,
            umask=0o027,
            input="typed\n",
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
        for program in (COLD, warm_zoo)
    )

    assert warm.returncode == cold.returncode
    assert warm.stdout == cold.stdout
    assert warm.stderr == cold.stderr.replace("False\n", "True\n", 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_to_the_program_ends_the_fork(
    warm_zoo: Path, env: dict[str, str], number: signal.Signals
) -> None:
    """What is sent on is sent on; a fork whose program is killed does not outlive it."""
    with subprocess.Popen(
        [warm_zoo, "tell", "wait"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(number)
        process.wait(timeout=120)
        fork = Path("/proc", lines[-1].decode().strip())
        for _ in range(100):
            if not fork.exists():
                break
            time.sleep(0.1)

    assert process.returncode == {2: 130, 15: 143, 9: -9}[number]
    assert not fork.exists()
