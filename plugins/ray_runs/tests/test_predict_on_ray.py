# SPDX-License-Identifier: Apache-2.0
"""``zoo predict --ray`` on a real Ray of this machine: the files of the plain command."""

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from zoo.errors import DataError

pytestmark = [
    pytest.mark.mm,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]

PLUGINS = "ray_runs,lung_xray,configs"


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


@pytest.mark.timeout(900)
def test_files_on_ray_are_those_of_the_plain_command(
    tmp_path: Path,
    start_zoo: Callable[..., "subprocess.Popen[str]"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte: labels, overlays, and the JSON with its failures."""
    zoo.sample("lung_xray", tmp_path / "raw", count=5)
    images = sorted((tmp_path / "raw/Lung Segmentation/CXR_png").iterdir())[:5]
    images[2].write_bytes(b"no picture")
    (tmp_path / "list.txt").write_text("\n".join(map(str, images)), encoding="utf-8")

    said = {}
    for name, more in (("plain", []), ("ray", ["--ray"])):
        process = start_zoo(
            *("predict", "unet_lung_montgomery", "--list", "list.txt", "--out", name, *more),
            plugins=PLUGINS,
        )
        _, said[name] = process.communicate(timeout=400)
        assert process.returncode == 1, said[name]
        assert "1 of 5 images failed" in said[name], said[name]

    plain, on_ray = _files(tmp_path / "plain"), _files(tmp_path / "ray")
    assert len(plain) >= 5
    assert on_ray == plain


POISON = 39


def _slow_square(marks: Path) -> "Callable[[int], tuple[int, int]]":
    def square(number: int) -> tuple[int, int]:
        if number == POISON:
            with (marks / "deaths").open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        return number * number, os.getpid()

    return square


class _Build:
    def __init__(self, marks: Path) -> None:
        self.marks = marks

    def __call__(self) -> "Callable[[int], tuple[int, int]]":
        return _slow_square(self.marks)


@pytest.mark.release
@pytest.mark.timeout(600)
def test_killed_worker_loses_no_item_and_no_order_and_is_not_started_for_ever(
    tmp_path: Path,
) -> None:
    """``kill -9`` of a worker: each item comes once, in its place, up to one that always kills."""
    import ray.cloudpickle
    from zoo_ray_runs.mapping import map_on_ray

    # This module is none that a worker can import.
    ray.cloudpickle.register_pickle_by_value(__import__("sys").modules[__name__])
    found: list[int] = []
    before = print

    def collect() -> None:
        for square, pid in map_on_ray(_Build(tmp_path), list(range(POISON + 1))):
            found.append(square)
            if len(found) == 5:
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(DataError, match="cannot go on: workers of Ray were lost") as raised:
        collect()

    assert 10 <= len(found) < POISON  # its block is lost with it, and what was under way
    assert found == [number * number for number in range(len(found))]
    assert 1 <= len((tmp_path / "deaths").read_text()) <= 4
    assert "without --ray" in str(raised.value.hint)
    assert print is before  # nothing of this process is exchanged
