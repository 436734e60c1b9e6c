# SPDX-License-Identifier: Apache-2.0
"""Commands on a terminal that are stopped by a key, a closed window or `kill`; nothing is lost.

``make stop-drill`` has many more moments, and compares the runs bit for bit.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from weights_rows import weights_row

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
        words = ("--data", squares_data, "--work-dir", "run", "--verbose")
        return open_terminal(
            "train", squares_config, *words, "--cfg-options", *fixed, *logged, *options
        )

    return start


def _assert_saved(run: Any, work_dir: Path) -> int:
    """Check what a stopped run left, and return the step that it saved."""
    from zoo.engine.checkpoints.checkpoint import find_checkpoint, load_checkpoint

    assert run.others(wait_s=60) == []
    assert "Traceback" not in run.text, run.text[-3000:]
    assert not list(work_dir.glob(".*"))
    found = find_checkpoint(work_dir)
    assert found is not None, run.text[-3000:]
    step = load_checkpoint(found).meta["iter"]
    logged = [int(word) for word in re.findall(_STEP.format(r"(\d+)"), run.text)]
    assert step >= max(logged)
    assert isinstance(step, int)
    return step


@pytest.mark.parametrize("start_method", ["fork", pytest.param("spawn", marks=pytest.mark.release)])
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
    command = re.search(r"resume with: zoo (.*)", run.text.replace("\n", " "))
    assert command is not None, run.text[-3000:]
    if start_method != "fork":
        return  # the command and what it does are the same
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
    assert run.others(wait_s=60) == []
    assert "Traceback" not in run.text, run.text[-3000:]


# Waits while a file of the image's name lies in the folder `held` beside its own.
READER = """
import time
from pathlib import Path

from mmcv.transforms import LoadImageFromFile


class ReadWhenFree(LoadImageFromFile):
    def transform(self, results):
        path = Path(results["img_path"]).absolute()
        while (path.parent.parent / "held" / path.name).exists():
            time.sleep(0.01)
        return super().transform(results)
"""
READER_ROW = '[[transform]]\nname = "ReadWhenFree"\ntarget = "zoo_reader.parts:ReadWhenFree"\n'


def test_predict_on_ctrl_c_lists_what_it_did_and_names_the_command_that_goes_on(
    open_terminal: Callable[..., Any],
    make_bright_run: Callable[..., Path],
    bright_folder: Path,
    write_plugin: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """It is pressed while an image is read."""
    import json

    import cv2
    import numpy as np

    plugin = write_plugin("reader", READER_ROW, parts=READER).parent
    folders = f"{bright_folder}{os.pathsep}{plugin}"
    more = {"ZOO_PLUGINS": "bright,reader", "ZOO_PLUGIN_PATH": folders}
    bright_run = make_bright_run("dict(type='zoo.reader.ReadWhenFree')")
    for name in ("in", "held"):
        (tmp_path / name).mkdir()
    for number in range(12):
        image = np.full((50, 50), 20 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f"in/{number:03}.png"), image)
    held = tmp_path / "held/008.png"
    held.touch()
    run = open_terminal("predict", bright_run, "in", "--out", "out", **more)
    end_s = time.monotonic() + 300
    while not (tmp_path / "out/003_label.png").exists() and time.monotonic() < end_s:
        time.sleep(0.01)

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    assert "Traceback" not in run.text, run.text[-3000:]
    count = len(json.loads((tmp_path / "out/predictions.json").read_text())["images"])
    assert 3 <= count <= 8
    assert f"stopped after {count} of 12 images" in run.text
    command = re.search(r"resume with: zoo (.*)", run.text)
    assert command is not None, run.text[-3000:]
    held.unlink()
    again = open_terminal(*shlex.split(command[1]), **more)
    assert again.wait() == 0, again.text[-3000:]
    document = json.loads((tmp_path / "out/predictions.json").read_text())
    assert (len(document["images"]), document["complete"]) == (12, True)


def test_prepare_on_ctrl_c_leaves_nothing(
    open_terminal: Callable[..., Any], checkout_plugins: Path, tmp_path: Path
) -> None:
    """Its threads end with it, and so does what it had written."""
    import cv2
    import numpy as np

    for name in ("images", "masks"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    classes = [f'[[class]]\nname = "class {value}"\nvalue = {value}\n' for value in (0, 1)]
    (tmp_path / "raw/classes.toml").write_text("".join(classes))
    rng = np.random.default_rng(0)
    for number in range(200):
        image = rng.integers(0, 255, (700, 700), np.uint8)
        fast = [cv2.IMWRITE_PNG_COMPRESSION, 0]
        cv2.imwrite(str(tmp_path / f"raw/images/{number:03}.png"), image, fast)
        cv2.imwrite(str(tmp_path / f"raw/masks/{number:03}.png"), image // 128)
    more = {"ZOO_PLUGINS": "folder_data", "ZOO_PLUGIN_PATH": str(checkout_plugins / "plugins")}
    words = ("data", "prepare", "folder_data", "--source", "raw", "--out", "out")
    run = open_terminal(*words, **more)
    end_s = time.monotonic() + 120
    while not list(tmp_path.glob(".out.staging-*/content/*/*")) and time.monotonic() < end_s:
        time.sleep(0.005)

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    assert "Traceback" not in run.text, run.text[-3000:]
    assert {"raw"} == {path.name for path in tmp_path.iterdir() if "out" in path.name} | {"raw"}


def test_download_on_ctrl_c_keeps_what_came_and_goes_on(
    open_terminal: Callable[..., Any], server: Any, payload: bytes, tmp_path: Path
) -> None:
    """Half of the bytes are there, and only the other half is fetched afterwards."""
    package = tmp_path / "slow/zoo_slow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import zoo\n")
    row = """
[plugin]
name = "slow"
version = "0.1.0"
api = 1
summary = "s"
license = "MIT"

"""
    row += weights_row("heavy", payload)
    (package / "zoo_plugin.toml").write_text(row)
    server.files["/heavy.safetensors"] = payload
    server.faults["/heavy.safetensors"] = [sys.modules["http_faults"].stalls(100_000)]
    more = {
        "ZOO_PLUGINS": "slow",
        "ZOO_PLUGIN_PATH": str(package.parent),
        "ZOO_CACHE": str(tmp_path / "cache"),
        "ZOO_MIRRORS": server.address,
    }
    run = open_terminal("download", "heavy", **more)
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        parts = [path.stat().st_size for path in (tmp_path / "cache").rglob("*.part")]
        if parts and parts[0] > 50_000:
            break
        time.sleep(0.01)

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    assert "Traceback" not in run.text, run.text[-3000:]
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    server.faults["/heavy.safetensors"] = []
    again = open_terminal("download", "heavy", **more)
    assert again.wait() == 0, again.text[-3000:]
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    assert file.read_bytes() == payload


def test_ctrl_c_while_a_line_is_written_is_told_and_saves(
    tmp_path: Path, squares_folder: Path, squares_config: Path, squares_data: Path
) -> None:
    """The output is a pipe that nobody reads, so the run waits in the midst of a line."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    fixed = {"OMP_NUM_THREADS": "1", "HOME": str(tmp_path), "ZOO_PLUGINS": "squares"}
    options = ("default_hooks.logger.interval=1", "train_cfg.max_iters=100000")
    words = ["--data", squares_data, "--work-dir", "run", "--verbose", "--cfg-options", *options]
    zoo = Path(sys.executable).with_name("zoo")
    process = subprocess.Popen(
        [zoo, "train", squares_config, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env=kept | fixed | {"ZOO_PLUGIN_PATH": str(squares_folder)},
        pipesize=4096,
    )
    assert process.stdout is not None
    seen = b""
    while b"Iter(train) [     5" not in seen:
        more = os.read(process.stdout.fileno(), 4096)
        assert more, seen.decode()
        seen += more
    _wait_until_full(process.stdout.fileno())

    process.send_signal(signal.SIGINT)
    time.sleep(1)
    text = (seen + process.communicate(timeout=120)[0]).decode()

    assert process.returncode == 130, text[-3000:]
    assert "Ctrl-C again stops" in text
    assert "Logging error" not in text
    assert "reentrant" not in text


def _wait_until_full(pipe: int) -> None:
    """Wait until no more comes into a pipe of 4096 bytes, a line or less below its end."""
    end_s, before = time.monotonic() + 300, -1
    while time.monotonic() < end_s:
        held = int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
        if held == before and held > 3000:
            return
        before = held
        time.sleep(0.5)
    message = f"the pipe holds {held} bytes"
    raise TimeoutError(message)
