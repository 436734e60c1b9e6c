# SPDX-License-Identifier: Apache-2.0
"""What a user sees of ``zoo train`` and ``zoo test``: a few lines, and all of it on request."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_MOST_LINES = 15  # before the first step
_FIRST_STEP = re.compile(r"(train: [1-9]|step \d|epoch \d|Iter\()")
# What the author of a config does: print, warn, and a warm-up that is longer than the run.
_TALKING = """
print('printed by the config')
__import__('warnings').warn('warned by the config')
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=500)]
"""
_OF_MMENGINE = ("System environment", "Runtime environment", "Hooks will be executed", "Config:")


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, squares_folder: Path, warm_zoo: Path
) -> Callable[..., Any]:
    """Return a function that runs ``zoo`` in one folder, where the squares' plugin is found.

    It starts warm, but for the run that shows what imports print.
    """
    folder = tmp_path_factory.mktemp("quiet")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    fence = {"HOME": str(folder), "ZOO_PLUGINS": "squares", "ZOO_PLUGIN_PATH": str(squares_folder)}
    fixed = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}

    def run(*args: str | Path, command: Any = None) -> subprocess.CompletedProcess[str]:
        words = command or [warm_zoo]
        return subprocess.run(
            [*words, *args],
            cwd=folder,
            env=kept | fence | fixed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    run.folder, run.environment = folder, kept | fence | fixed  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="module")
def talking(place: Any, squares_text: str) -> Path:
    """Write the squares' config with a print, a warning and a long warm-up."""
    path: Path = place.folder / "talking.py"
    path.write_text(squares_text + _TALKING)
    return path


@pytest.fixture(scope="module")
def quiet(place: Any, talking: Path, squares_data: Path) -> subprocess.CompletedProcess[str]:
    """Train with the result as JSON, not on a terminal."""
    done: subprocess.CompletedProcess[str] = place(
        *("train", talking, "--data", squares_data, "--work-dir", "run", "--json"),
        command=[Path(sys.executable).with_name("zoo")],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def _before_first_step(text: str) -> list[str]:
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
    first = next(at for at, line in enumerate(lines) if _FIRST_STEP.search(line))
    return lines[:first]


def test_quiet_run_says_what_matters_in_a_few_lines(
    quiet: subprocess.CompletedProcess[str], squares_data: Path
) -> None:
    lines = _before_first_step(quiet.stderr)

    assert len(lines) <= _MOST_LINES, "\n".join(lines)
    said = "\n".join(lines)
    for words in (
        "training talking on cpu",
        f"data: {squares_data}: 22 images to train on, ",
        "run: 6 steps of 2 images (0.545 epochs), validated every 6 steps; Adam, lr 0.02",
        "threads: 1 (OMP_NUM_THREADS says so); no data workers, ",
        "classes: 2 (ground, square)",
        "model: EncoderDecoder (UNet, FCNHead), ",
        "/run/20",  # the log
    ):
        assert words in said
    assert not any(words in quiet.stderr for words in _OF_MMENGINE)
    assert re.search(r"step 6 of 6: loss [\d.]+; validation, the best so far: mDice ", quiet.stderr)


def test_quiet_run_shows_warnings_and_what_the_users_own_code_prints(
    quiet: subprocess.CompletedProcess[str],
) -> None:
    """zoo's own, Python's and a print of the config; nothing of upstream's own future."""
    assert "running the config" in quiet.stderr
    assert "printed by the config" in quiet.stderr
    assert "warned by the config" in quiet.stderr
    assert "the warm-up param_scheduler.0 lasts until iteration 500" in quiet.stderr
    assert "deprecated" not in quiet.stderr


def test_log_file_of_a_quiet_run_holds_everything(
    quiet: subprocess.CompletedProcess[str], place: Any
) -> None:
    (log,) = (place.folder / "run").glob("2*/2*.log")
    text = log.read_text()

    for words in (
        *_OF_MMENGINE,
        "threads: 1 (OMP_NUM",
        "Iter(train) [2/6]",
        "Iter(train) [6/6]",
        "Iter(val)",
    ):
        assert words in text
    assert "the warm-up param_scheduler.0 lasts until iteration 500" in text


def test_json_of_a_run_is_one_object_with_all_that_it_left(
    quiet: subprocess.CompletedProcess[str], place: Any
) -> None:
    result = json.loads(quiet.stdout)

    assert list(result) == [
        "work_dir",
        "best_checkpoint",
        "last_checkpoint",
        "metrics",
        "steps",
        "seconds",
        "stopped",
    ]
    assert result["stopped"] is None
    assert (result["work_dir"], result["steps"]) == (str(place.folder / "run"), 6)
    assert Path(result["best_checkpoint"]).is_file()
    assert result["last_checkpoint"] == str(place.folder / "run" / "iter_6.pth")
    assert 0 < result["metrics"]["mDice"] <= 100
    assert 0 < result["seconds"] < 300


def test_verbose_shows_what_the_file_has(place: Any, talking: Path, squares_data: Path) -> None:
    words = ("--data", squares_data, "--work-dir", "loud", "--max-steps", "2", "--verbose")
    done = place("train", talking, *words)

    assert done.returncode == 0, done.stderr[-3000:]
    (log,) = (place.folder / "loud").glob("2*/2*.log")
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    for line in log.read_text().splitlines():
        assert line.partition(" - mmengine - ")[2] in plain
    assert "training talking on" not in done.stderr


def test_resumed_run_calls_best_only_what_beats_the_best_before(
    quiet: subprocess.CompletedProcess[str], place: Any, talking: Path, squares_data: Path
) -> None:
    """The best of the steps before counts: a validation that is no better is not called so."""
    assert quiet.returncode == 0, quiet.stderr[-3000:]
    again = place.folder / "again"
    shutil.copytree(place.folder / "run", again)
    before = [path.name for path in again.glob("best_*.pth")]

    words = ("--data", squares_data, "--work-dir", "again", "--resume", "--max-steps", "7")
    done = place("train", talking, *words, "--lr", "1e-12", "--other-config")

    assert done.returncode == 0, done.stderr[-3000:]
    is_beaten = [path.name for path in again.glob("best_*.pth")] != before
    assert ("the best so far" in done.stderr) is is_beaten, done.stderr


@pytest.mark.parametrize("verbose", [False, True])
def test_test_is_as_quiet_as_train(
    quiet: subprocess.CompletedProcess[str], place: Any, verbose: bool
) -> None:
    """Metrics are on stdout either way; mmengine's log only where it was asked for."""
    done = place("test", "run", "--json", *(["--verbose"] if verbose else []))

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["mDice"] > 0
    assert all(words in done.stderr for words in _OF_MMENGINE) is verbose
    assert ("testing talking on cpu" in done.stderr) is not verbose
    if not verbose:
        assert len(done.stderr.splitlines()) <= _MOST_LINES + 5
        newest = max((place.folder / "run" / "test").glob("2*/2*.log"))
        assert all(words in newest.read_text() for words in _OF_MMENGINE)


@pytest.fixture
def terminal(place: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that starts ``zoo`` on a terminal of its own."""
    started: list[Any] = []

    def start(*args: str | Path) -> Any:
        zoo = Path(sys.executable).with_name("zoo")
        kind = sys.modules["terminal"].Terminal
        started.append(kind([zoo, *args], folder=place.folder, environment=place.environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_quiet_run_on_a_terminal_draws_a_bar_with_the_loss_and_stops_on_ctrl_c(
    terminal: Callable[..., Any], talking: Path, squares_data: Path
) -> None:
    """Validations stand above the bar; the key saves, and names the command that goes on."""
    words = ("--data", squares_data, "--work-dir", "pty", "--max-steps", "100000")
    run = terminal("train", talking, *words, "--cfg-options", "train_cfg.val_interval=40")
    assert run.wait_for(r"train:.*loss [\d.]+"), run.text[-3000:]
    assert run.wait_for(r"step 40 of 100,000: loss"), run.text[-3000:]

    run.press_ctrl_c()

    assert run.wait() == 130, run.text[-3000:]
    assert len(_before_first_step(run.text)) <= _MOST_LINES, run.text
    assert not any(words in run.text for words in _OF_MMENGINE)
    assert "resume with: zoo train" in run.text.replace("\n", " ")
    assert "Traceback" not in run.text


def test_of_several_processes_the_first_one_alone_reports(
    place: Any, talking: Path, squares_data: Path
) -> None:
    train = Path(__file__).resolve().parents[2] / "tools" / "train.py"
    port = 29500 + (os.getpid() + 7) % 1000
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    words = (talking, "--data", squares_data, "--work-dir", "two", "--launcher", "pytorch")
    done = place(
        *words, "--json", "--epochs", "1", command=[*launcher, f"--master_port={port}", train]
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["steps"] == 6  # 22 images, 2 processes, 2 in a step
    said = done.stderr
    assert [said.count(words) for words in ("training talking on", "classes: 2", "model: ")] == [
        1,
        1,
        1,
    ]
    assert said.count("step 6 of 6: loss") == 1
    assert not any(words in said for words in _OF_MMENGINE)


def test_train_in_a_script_without_a_main_guard_says_what_it_lacks(
    place: Any, talking: Path, squares_data: Path
) -> None:
    """The worker that imports the script again names the line to add, and so does the run."""
    script = place.folder / "unguarded.py"
    options = '{"train_dataloader.num_workers": 1, "env_cfg.mp_cfg.mp_start_method": "spawn"}'
    script.write_text(
        f"import zoo\nzoo.train({str(talking)!r}, data={str(squares_data)!r}, epochs=1, "
        f"work_dir='unguarded', cfg_options={options})\n"
    )

    done = place(str(script), command=[sys.executable])

    assert done.returncode == 1
    assert done.stderr.count('HINT: put zoo.train(...) under `if __name__ == "__main__":`') == 1
    assert "zoo.errors.TrainingError: cannot load images: DataLoader worker" in done.stderr
    assert "correct that part of the config" not in done.stderr


def test_train_in_python_is_the_command(place: Any, talking: Path, squares_data: Path) -> None:
    """The same run as ``zoo train``: checkpoints, metrics, command noted for publishing."""
    code = f"""
import zoo
if __name__ == "__main__":
    result = zoo.train({str(talking)!r}, data={str(squares_data)!r}, epochs=1, batch_size=4,
                       lr=0.01, work_dir="python", cfg_options={{"randomness.seed": 3}})
    names = [result.best_checkpoint.name, result.work_dir.name]
    print(result.steps, sorted(result.metrics)[:2], *names)
"""
    done = place("-c", code, command=[sys.executable])

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("6 ['aAcc', 'mAcc'] best_mDice_iter_6.pth python"), done.stdout
    dumped = (place.folder / "python" / "talking.py").read_text()
    assert "--epochs 1 --batch-size 4 --lr 0.01" in " ".join(dumped.split())
    assert "training talking on cpu" in done.stderr
