# SPDX-License-Identifier: Apache-2.0
"""What a run says of its threads: how many, why, and when fewer would be faster."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from zoo.engine.threads import telling
from zoo.engine.threads.cores import Cores

_NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "_ZOO_SET_THREADS")


@pytest.fixture(autouse=True)
def _idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from no variable of threads, on an idle machine."""
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("cores", "given", "threads", "why"),
    [
        (Cores(8, 8), {}, 8, "all CPUs of the machine"),
        (Cores(8, 3), {}, 3, "this process may use 3 of 8 CPUs"),
        (Cores(64, 64, 2.5), {}, 2, "the container's quota is 2.5 of 64 CPUs"),
        (Cores(8, 8, 16.0), {}, 8, "all CPUs of the machine"),
        (Cores(8, 8), {}, 4, "as torch is set; this process can use 8 CPUs"),
        (Cores(1, 1), {}, 2, "as torch is set; this process can use 1 CPU"),
        (Cores(8, 8), {"OMP_NUM_THREADS": "2"}, 2, "OMP_NUM_THREADS says so"),
        (Cores(8, 8), {"OMP_NUM_THREADS": "2,1"}, 2, "OMP_NUM_THREADS says so"),
        (Cores(8, 8), {"MKL_NUM_THREADS": "8"}, 8, "MKL_NUM_THREADS says so"),
        # torch was told something else afterwards
        (Cores(8, 8), {"OMP_NUM_THREADS": "2"}, 8, "all CPUs of the machine"),
        # zoo itself has set the variable, for the quota
        (
            Cores(64, 64, 2.0),
            {"OMP_NUM_THREADS": "2", "_ZOO_SET_THREADS": "OMP_NUM_THREADS=2"},
            2,
            "the container's quota is 2 of 64 CPUs",
        ),
    ],
)
def test_number_of_threads_has_its_reason(
    monkeypatch: pytest.MonkeyPatch, cores: Cores, given: dict[str, str], threads: int, why: str
) -> None:
    """The user's variable, a container, the affinity, or the machine."""
    monkeypatch.setattr(telling, "find_cores", lambda: cores)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert telling.threads_text(threads, workers=0).startswith(f"{threads} ({why}); ")


@pytest.mark.parametrize(
    ("workers", "opencv", "told"),
    [
        (0, 1, "no data workers, images are read between the steps"),
        (1, 1, "data workers: 1, with one thread each"),
        (4, 0, "data workers: 4, with one thread each"),
        (4, 3, "data workers: 4, with one thread each, OpenCV with 3"),
    ],
)
def test_workers_are_told_with_their_threads(workers: int, opencv: int, told: str) -> None:
    """OpenCV's are named where the config asks for more than one."""
    assert telling.threads_text(2, workers=workers, opencv=opencv).endswith(f"; {told}")


def test_busy_machine_gets_advice_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One thread is faster where other processes want the CPUs: docs/benchmarks.md, Threads."""
    monkeypatch.setattr(os, "getloadavg", lambda: (12.4, 0.0, 0.0))
    advice = "; load 12.4: while that lasts, OMP_NUM_THREADS=1 may train faster"

    assert telling.busy_text(Cores(8, 8)) == advice
    assert telling.busy_text(Cores(9, 9)) == ""
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert telling.busy_text(Cores(8, 8)) == ""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU leaves nothing to limit")
def test_affinity_of_the_process_is_told() -> None:
    """A process that was bound to one CPU, as schedulers of clusters do."""
    code = "from zoo.engine.threads.telling import threads_text; print(threads_text(1, workers=2))"
    ours = {name: value for name, value in os.environ.items() if name not in _NAMES}
    bind = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])\n{code}"

    done = subprocess.run(
        [sys.executable, "-c", bind], capture_output=True, text=True, env=ours, check=True
    )

    assert f"1 (this process may use 1 of {os.cpu_count()} CPUs)" in done.stdout
    assert "data workers: 2, with one thread each" in done.stdout
