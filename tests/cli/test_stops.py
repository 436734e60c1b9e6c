# SPDX-License-Identifier: Apache-2.0
"""Commands on a terminal that are stopped by a key, a closed window or `kill`; nothing is lost.

``make stop-drill`` has many more moments, and compares the runs bit for bit.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_STEP = r"Iter\(train\) \[\s*{}(?=/)"


@pytest.fixture
def open_terminal(tmp_path: Path, squares_folder: Path, bright_folder: Path) -> Iterator[Any]:
    """Return a function that starts ``zoo`` on a terminal of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    plugins = {"ZOO_PLUGIN_PATH": f"{squares_folder}{os.pathsep}{bright_folder}"}
    fixed = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path), "COLUMNS": "200"}
    started: list[Any] = []

    def start(*args: str | Path, **more: str) -> Any:
        zoo = Path(sys.executable).with_name("zoo")
        environment = kept | fixed | plugins | {"ZOO_PLUGINS": "squares,bright"} | more
        terminal = sys.modules["terminal"].Terminal(
            [zoo, *args], folder=tmp_path, environment=environment
        )
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.kill()


@pytest.fixture
def start_training(
    open_terminal: Callable[..., Any], squares_config: Path, squares_data: Path
) -> Callable[..., Any]:
    """Return a function that starts a long run with two data workers."""

    def start(*options: str) -> Any:
        fixed = ("train_dataloader.num_workers=2", "train_cfg.max_iters=100000")
        logged = ("default_hooks.logger.interval=1", "default_hooks.checkpoint.interval=100000")
        words = ("--data", squares_data, "--work-dir", "run")
        return open_terminal(
            "train", squares_config, *words, "--cfg-options", *fixed, *logged, *options
        )

    return start


def _assert_saved(run: Any, work_dir: Path) -> int:
    """Check what a stopped run left, and return the step that it saved."""
    from zoo.engine.checkpoints import find_checkpoint, load_checkpoint

    assert run.others(wait_s=15) == []
    assert "Traceback" not in run.text, run.text[-3000:]
    assert not list(work_dir.glob(".*"))
    found = find_checkpoint(work_dir)
    assert found is not None, run.text[-3000:]
    step = load_checkpoint(found).meta["iter"]
    logged = [int(word) for word in re.findall(_STEP.format(r"(\d+)"), run.text)]
    assert step >= max(logged)
    assert isinstance(step, int)
    return step


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_train_on_ctrl_c_saves_and_names_the_command_that_goes_on(
    start_training: Callable[..., Any],
    open_terminal: Callable[..., Any],
    tmp_path: Path,
    start_method: str,
) -> None:
    """The key reaches the data workers too, which leave it to their parent."""
    run = start_training(f"env_cfg.mp_cfg.mp_start_method={start_method}")
    assert run.wait_for(_STEP.format(3)), run.text[-3000:]

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    step = _assert_saved(run, tmp_path / "run")
    command = re.search(r"go on with: zoo (.*)", run.text.replace("\n", " "))
    assert command is not None, run.text[-3000:]
    again = open_terminal(*shlex.split(command[1]))
    assert again.wait_for(_STEP.format(step + 2)), again.text[-3000:]
    again.press_ctrl_c()
    assert again.wait() == 130
    assert _assert_saved(again, tmp_path / "run") > step


def test_train_whose_terminal_is_closed_saves(
    start_training: Callable[..., Any], tmp_path: Path
) -> None:
    run = start_training()
    assert run.wait_for(_STEP.format(3)), run.text[-3000:]

    run.hang_up()

    assert run.wait() == 128 + signal.SIGHUP
    _assert_saved(run, tmp_path / "run")


def test_train_whose_whole_group_is_told_to_end_saves(
    start_training: Callable[..., Any], tmp_path: Path
) -> None:
    """A scheduler ends the data workers too, and at once."""
    run = start_training()
    assert run.wait_for(_STEP.format(3)), run.text[-3000:]

    os.killpg(run.pid, signal.SIGTERM)

    assert run.wait() == 128 + signal.SIGTERM, run.text[-3000:]
    _assert_saved(run, tmp_path / "run")


@pytest.mark.parametrize("wait_s", [0.5, 1.5, 3.0])
def test_train_on_ctrl_c_before_its_first_step_just_ends(
    start_training: Callable[..., Any], wait_s: float
) -> None:
    """Whatever is imported or built then makes no traceback of it."""
    run = start_training()
    time.sleep(wait_s)

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    assert run.others(wait_s=15) == []
    assert "Traceback" not in run.text, run.text[-3000:]
