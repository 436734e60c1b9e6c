# SPDX-License-Identifier: Apache-2.0
"""Threads that zoo sets by itself, seen in processes that start as a user's do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VARIABLES = (
    *("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    *("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"),
)
# A container of one CPU's worth of time, as far as the files say.
IN_A_CONTAINER = """
from zoo.engine.threads import cores, defaults
cores.read_quota = lambda *_: 1.0
defaults.set_thread_defaults()
"""


def run(code: str, tmp_path: Path, **variables: str) -> Any:
    """Return the JSON that code prints in a process without any variable about threads."""
    # Nor the note of which of them zoo has set in this process.
    ours = (*VARIABLES, "_ZOO_SET_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=env | variables,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SEEN = f"""
import json, os
from click.testing import CliRunner
{{before}}
{{load}}
print(json.dumps({{{{name: os.environ.get(name) for name in {VARIABLES}}}}}))
"""
COMMAND = "from zoo.cli import main\nassert CliRunner().invoke(main, ['list']).exit_code == 0"
ENGINE = "import zoo.engine.runs"


@pytest.mark.parametrize("load", [COMMAND, ENGINE], ids=["command", "python"])
@pytest.mark.parametrize(
    ("given", "set_"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "5"}, {}),
        ({"OMP_WAIT_POLICY": "active"}, {}),
        ({"OMP_NUM_THREADS": "2"}, {"GOMP_SPINCOUNT": "1000"}),
    ],
    ids=["nothing", "spins", "policy", "threads"],
)
def test_waiting_is_set_unless_the_user_has(
    tmp_path: Path, load: str, given: dict[str, str], set_: dict[str, str]
) -> None:
    """Before torch is loaded, by a command and from Python; nothing that was set changes."""
    found = run(SEEN.format(before="", load=load), tmp_path, **given)

    assert {name: value for name, value in found.items() if value is not None} == given | set_


@pytest.mark.parametrize(
    ("given", "threads"),
    [({}, "1"), ({"OMP_NUM_THREADS": "7"}, "7"), ({"MKL_NUM_THREADS": "3"}, None)],
    ids=["nothing", "OMP", "MKL"],
)
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU leaves nothing to limit")
def test_a_quota_limits_the_threads_unless_the_user_has_set_them(
    tmp_path: Path, given: dict[str, str], threads: str | None
) -> None:
    """torch counts the CPUs of the machine, and a container may pay for fewer."""
    found = run(SEEN.format(before=IN_A_CONTAINER, load=ENGINE), tmp_path, **given)

    assert found["OMP_NUM_THREADS"] == threads


CHILD = """
import json, os, subprocess, sys
{before}
import zoo.engine.runs
os.environ.update({changed})
code = '''
import json, os
import zoo.engine.runs
from zoo.engine.threads.defaults import stated
print(json.dumps([[os.environ.get(name), stated(name)] for name in {names}]))
'''
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""


@pytest.mark.parametrize(
    ("before", "given", "changed", "expected"),
    [
        ("", {}, {}, {"GOMP_SPINCOUNT": ("1000", None)}),
        # the child runs where the quota of its parent does not hold
        (IN_A_CONTAINER, {}, {}, {"GOMP_SPINCOUNT": ("1000", None)}),
        (
            IN_A_CONTAINER,
            {"OMP_NUM_THREADS": "3"},
            {},
            {"GOMP_SPINCOUNT": ("1000", None), "OMP_NUM_THREADS": ("3", "3")},
        ),
        (
            IN_A_CONTAINER,
            {},
            {"OMP_NUM_THREADS": "5"},
            {"GOMP_SPINCOUNT": ("1000", None), "OMP_NUM_THREADS": ("5", "5")},
        ),
        ("", {}, {"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": ("active", "active")}),
        ("", {}, {"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": ("7", "7")}),
        ("", {"GOMP_SPINCOUNT": "1000"}, {}, {"GOMP_SPINCOUNT": ("1000", "1000")}),
    ],
)
def test_a_child_does_not_take_what_zoo_set_for_the_users_choice(
    tmp_path: Path,
    before: str,
    given: dict[str, str],
    changed: dict[str, str],
    expected: dict[str, tuple[str, str | None]],
) -> None:
    """It decides anew, and keeps what the user set before or for it."""
    code = CHILD.format(before=before, changed=changed, names=VARIABLES)

    found = dict(zip(VARIABLES, map(tuple, run(code, tmp_path, **given)), strict=True))

    assert {name: pair for name, pair in found.items() if pair != (None, None)} == expected


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU leaves nothing to limit")
def test_torch_takes_the_threads_that_a_quota_leaves(tmp_path: Path) -> None:
    """What is set is set early enough for torch to read it."""
    code = f"{IN_A_CONTAINER}\nimport zoo.engine, torch\nprint(torch.get_num_threads())"

    assert run(code, tmp_path) == 1


WORKER = """
import json, os
from multiprocessing import get_context

VARIABLES = {variables}

def tell(pipe):
    import cv2
    pipe.send([cv2.getNumThreads(), {{name: os.environ.get(name) for name in VARIABLES}}])

if __name__ == "__main__":
    import cv2
    from zoo.engine.threads.workers import slimming_workers
    cv2.setNumThreads({threads})
    before = dict(os.environ)
    context = get_context("spawn")
    here, there = context.Pipe()
    with slimming_workers():
        process = context.Process(target=tell, args=(there,))
        process.start()
    threads, seen = here.recv()
    process.join()
    print(json.dumps([threads, seen, dict(os.environ) == before]))
"""


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "of_main", "opencv", "algebra"),
    [
        ({}, 0, 1, "1"),
        ({}, 2, 2, "1"),
        ({"OPENCV_FOR_THREADS_NUM": "3"}, 0, 3, "1"),
        ({"OMP_NUM_THREADS": "2"}, 0, 1, None),
        ({"OPENBLAS_NUM_THREADS": "2"}, 0, 1, "2"),
    ],
    ids=["nothing", "config", "opencv", "omp", "openblas"],
)
def test_a_spawned_worker_starts_one_thread_a_library_unless_told_otherwise(
    tmp_path: Path, given: dict[str, str], of_main: int, opencv: int, algebra: str
) -> None:
    """Variables of the user and of the config win, and this process keeps its own."""
    code = WORKER.format(variables=VARIABLES, threads=of_main)

    threads, seen, is_as_before = run(code, tmp_path, **given)

    assert threads == opencv
    assert seen["OPENBLAS_NUM_THREADS"] == algebra
    assert seen["OMP_NUM_THREADS"] == given.get("OMP_NUM_THREADS", "1")
    assert is_as_before


STEPS = """
import json, torch
torch.manual_seed(0)
from torch.nn import BatchNorm2d, Conv2d
net = torch.nn.Sequential(Conv2d(3, 8, 3), BatchNorm2d(8), Conv2d(8, 2, 3))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(2):
    optimizer.zero_grad()
    net(torch.randn(4, 3, 24, 24)).square().mean().backward()
    optimizer.step()
print(json.dumps([value.hex() for part in net.parameters() for value in part.flatten().tolist()]))
"""


@pytest.mark.mm
@pytest.mark.slow
def test_how_threads_wait_changes_no_bit_of_a_training_step(tmp_path: Path) -> None:
    """Weights after some steps are equal, with libgomp's own waiting and with zoo's."""
    own = run(STEPS, tmp_path)

    assert run(f"import zoo.engine\n{STEPS}", tmp_path) == own
