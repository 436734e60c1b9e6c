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
    process.communicate(timeout=120)

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


@pytest.mark.slow
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


_PEAK = """
import sys
from pathlib import Path
import zoo
from zoo.engine.adoption.conversion import convert_source
from zoo.engine.adoption.converters import find_converter
from zoo.weights import find_weights
from zoo.weights.fetching.sources import FetchedSource

def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

found, path = find_weights("tiny_other"), Path(sys.argv[1])
find_converter(found).load()
source = FetchedSource(path, "0" * 64, "0" * 32, path.stat().st_size, None)
Path("/proc/self/clear_refs").write_text("5")
before = peak_kb()
convert_source(found, found.row, source, path.with_name("out.safetensors"))
print((peak_kb() - before) * 1024 / path.stat().st_size)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak")
@pytest.mark.parametrize("form", ["pth", "safetensors", "pkl"])
def test_conversion_holds_little_more_than_the_file(
    foreign: Any, tmp_path: Path, form: str
) -> None:
    """At most 2.2 times the file, mapped pages included, for 100 MB of a backbone."""
    import pickle

    import torch
    from safetensors.torch import save_file

    tensors = {f"net.l{number}": torch.randn(1_000_000) for number in range(25)}
    path = tmp_path / f"model.{form}"
    if form == "pth":
        torch.save(tensors, path)
    elif form == "safetensors":
        save_file(tensors, path)
    else:
        path.write_bytes(pickle.dumps({key: each.numpy() for key, each in tensors.items()}, 2))
    foreign.write_converter("def convert(s):\n    return {k[4:]: v for k, v in s.items()}\n")
    row = foreign.row(b"elsewhere", path.name, task="backbone", config=None, parameters=None)
    foreign.list(row)

    run = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
    )

    assert 0 < float(run.stdout.splitlines()[-1]) <= 2.2
