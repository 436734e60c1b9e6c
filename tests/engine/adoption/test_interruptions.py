# SPDX-License-Identifier: Apache-2.0
"""Killed, stopped and concurrent adoptions: nothing half done, and done once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.weights.lock import read_pins

pytestmark = pytest.mark.mm

_SLOW = """
import pathlib, time

def convert(state):
    with open(pathlib.Path(__file__).with_name("runs"), "a") as stream:
        stream.write("x")
    time.sleep(SECONDS)
    return {key[4:]: value for key, value in state.items()}
"""
_DOWNLOAD = [sys.executable, "-c", "import zoo; print(zoo.download('tiny_other'))"]


def _start(foreign: Any, seconds: float) -> Path:
    foreign.write_converter(_SLOW.replace("SECONDS", str(seconds)))
    runs: Path = foreign.package / "runs"
    return runs


def _wait_for(path: Path) -> None:
    ends = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_adoption_that_was_stopped_leaves_nothing_half_done(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, sent: int
) -> None:
    """Stopped while it converts; the next one does it whole, and clears what was left."""
    foreign.list(foreign.row(source_bytes("pth")))
    runs = _start(foreign, 60)
    process = subprocess.Popen(_DOWNLOAD, stderr=subprocess.PIPE)
    _wait_for(runs)

    process.send_signal(sent)
    process.communicate(timeout=30)

    assert process.returncode != 0
    assert read_pins() == {}
    assert not list((tmp_path / "cache").rglob("tiny_other.safetensors"))
    _start(foreign, 0)
    path = zoo.download("tiny_other")
    assert path.is_file()
    assert sorted(each.name for each in path.parent.parent.iterdir() if each.is_dir()) == [
        path.parent.name
    ]


@pytest.mark.slow
def test_two_processes_at_once_adopt_once(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    foreign.list(foreign.row(source_bytes("pth")))
    runs = _start(foreign, 1)

    started = [subprocess.Popen(_DOWNLOAD, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=120)[0] for process in started}

    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(printed) == 1
    assert runs.read_text() == "x"


def test_equal_sources_are_converted_to_equal_bytes(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    """In two processes, with nothing of the first left."""
    foreign.list(foreign.row(source_bytes("pkl"), "model.pkl"))
    found = []
    for seed in ("1", "2"):
        path = subprocess.run(
            _DOWNLOAD,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        found.append(Path(path).read_bytes())
        shutil.rmtree(tmp_path / "cache")
        (tmp_path / "zoo.lock").unlink()

    assert found[0] == found[1]
