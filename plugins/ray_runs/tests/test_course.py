# SPDX-License-Identifier: Apache-2.0
"""The course of a sweep around Ray: what is written down, said and waited for, however it ends."""

import contextlib
import json
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from zoo_ray_runs import planning, sweeping
from zoo_ray_runs.planning import Request
from zoo_ray_runs.starting import Cluster
from zoo_ray_runs.sweeping import StoppedSweepError, sweep

from zoo.errors import DataError, TrainingError

Run = Callable[..., None]


@pytest.fixture
def begin_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Run], tuple[Request, list[str], Any]]:
    """Return a function that takes the place of Ray with another one that runs the trials."""
    (tmp_path / "space.toml").write_text('"optimizer.lr" = { grid = [0.1, 0.2, 0.3] }\n')
    (tmp_path / "config.json").write_text('{"optimizer": {"lr": 0.3}}')

    @contextlib.contextmanager
    def started() -> Iterator[Cluster]:
        yield Cluster(2, 0, 2**33)

    monkeypatch.setattr(planning, "show_config", lambda name: (tmp_path / name).read_text())
    monkeypatch.setattr(sweeping, "check_installed", lambda: None)
    monkeypatch.setattr(sweeping, "started", started)
    # The module of the real one imports Ray.
    monkeypatch.setitem(sys.modules, "zoo_ray_runs.trial", _without_ray())

    def begin(run: Run) -> tuple[Request, list[str], Any]:
        stub = types.ModuleType("zoo_ray_runs.tuning")
        stub.run_trials = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "zoo_ray_runs.tuning", stub)
        request = Request(
            work_dir=tmp_path / "work", config="config.json", space=tmp_path / "space.toml"
        )
        lines: list[str] = []
        return request, lines, lambda **more: sweep(replace(request, **more), lines.append)

    return begin


def _without_ray() -> types.ModuleType:
    module = types.ModuleType("zoo_ray_runs.trial")
    module.TrialOrder = _Order  # type: ignore[attr-defined]
    return module


class _Order(types.SimpleNamespace):
    @property
    def lock(self) -> Path:
        found: Path = self.work_dir.with_name(f"{self.name}.lock")
        return found


def _states(work: Path) -> list[str]:
    document = json.loads((work / "sweep.json").read_text("utf-8"))
    return [trial["state"] for trial in document["trials"]]


def _log(order: Any, value: float) -> None:
    folder = order.work_dir / "20260101_000000/vis_data"
    folder.mkdir(parents=True)
    rows = [{"lr": 0.1, "loss": 1.0, "step": 1}, {"fit": value, "step": 1}]
    (folder / "scalars.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _validation(direction: str = "higher", *, is_assumed: bool = False) -> dict[str, Any]:
    facts = {"metric": "fit", "direction": direction, "is_assumed": is_assumed}
    return {**facts, "score": 1.0, "validations": 1}


HOLDS = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
    time.sleep(0.5)
"""


def test_ctrl_c_waits_for_the_trials_that_save_and_keeps_what_has_ended(
    begin_sweep: Any, tmp_path: Path
) -> None:
    """Another process holds a trial's lock, as a run does; it is let go while the sweep waits."""
    (tmp_path / "work/trials").mkdir(parents=True)
    lock = tmp_path / "work/trials/trial_002.lock"
    words = [sys.executable, "-c", HOLDS, str(lock)]
    run = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdin is not None
    assert run.stdout is not None
    let_go = run.stdin.close
    assert run.stdout.readline() == b"held\n"

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        _log(orders[0], 0.5)
        told("trial_001", _validation())
        told("trial_001", {"state": "finished", "error": ""})
        threading.Timer(0.3, let_go).start()
        stop = KeyboardInterrupt()
        stop.signal_number = 15  # type: ignore[attr-defined]
        raise stop

    request, lines, start = begin_sweep(run_trials)
    with pytest.raises(StoppedSweepError) as raised:
        start()

    with FileLock(lock, timeout=0):
        pass  # nobody holds it any more
    run.wait(30)
    run.stdout.close()
    assert raised.value.signal_number == 15
    assert raised.value.is_resumable
    assert str(raised.value).startswith("stopped after 1 of 3 trials")
    assert lines[-1] == "stopping: the trials save their steps"
    assert _states(request.work_dir) == ["finished", "waiting", "waiting"]


def test_resumed_sweep_runs_what_is_left_and_ranks_all(begin_sweep: Any) -> None:
    """The trial that had ended is not started again."""
    names: list[list[str]] = []

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        names.append([order.name for order in orders])
        for order in orders[: 1 if len(names) == 1 else None]:
            _log(order, float(order.name[-1]))
            told(order.name, _validation("lower"))
            told(order.name, {"state": "finished", "error": ""})
        if len(names) == 1:
            raise KeyboardInterrupt

    request, _, start = begin_sweep(run_trials)
    with pytest.raises(StoppedSweepError):
        start()
    record = start(resume=True, config=None, space=None)

    assert names == [["trial_001", "trial_002", "trial_003"], ["trial_002", "trial_003"]]
    assert [trial.value for trial in record.ranked()] == [1.0, 2.0, 3.0]
    document = json.loads((request.work_dir / "sweep.json").read_text("utf-8"))
    assert document["ranked"] == ["trial_001", "trial_002", "trial_003"]


@pytest.mark.parametrize(
    ("direction", "line"),
    [
        ("higher", "assumed: a higher value of fit is better"),
        ("zero", "assumed: a value nearer to 0 of fit is better"),
    ],
)
def test_assumed_direction_is_said_once(begin_sweep: Any, direction: str, line: str) -> None:
    """In one line, with the option that says otherwise."""

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        for order in orders:
            told(order.name, _validation(direction, is_assumed=True))

    _, lines, start = begin_sweep(run_trials)
    start()

    said = [each for each in lines if each.startswith("assumed")]
    assert len(said) == 1
    assert said[0].startswith(line)
    assert "--direction" in said[0]


def test_direction_of_the_user_reaches_the_trials(begin_sweep: Any) -> None:
    """And ranks."""
    asked: list[str] = []

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        for order in orders:
            asked.append(order.direction)
            _log(order, float(order.name[-1]))
            told(order.name, _validation("lower"))
            told(order.name, {"state": "finished", "error": ""})

    _, lines, start = begin_sweep(run_trials)
    record = start(direction="lower", metric="fit")

    assert asked == ["lower"] * 3
    assert [trial.name[-1] for trial in record.ranked()] == ["1", "2", "3"]
    assert not any(line.startswith("assumed") for line in lines)


def test_trials_that_begin_anew_leave_what_there_was_aside(begin_sweep: Any) -> None:
    """A corrected config must not go on at a checkpoint of the faulty one."""
    seen: list[bool] = []

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        seen.append(any(order.work_dir.exists() for order in orders))
        for order in orders:
            _log(order, 1.0)
            told(order.name, {"state": "failed", "error": "no such optimizer."})

    request, lines, start = begin_sweep(run_trials)
    start()
    (request.work_dir.parent / "config.json").write_text('{"optimizer": {"lr": 0.4}}')
    with pytest.raises(DataError, match="another resolved config"):
        start(resume=True)
    start(resume=True, retry_failed=True)

    assert seen == [False, False]
    assert (request.work_dir / "trials_1/trial_001").is_dir()
    assert any("trials_1" in line for line in lines)


@pytest.mark.parametrize("error", [DataError("the disk is full."), TrainingError("Tune is lost.")])
def test_error_in_the_middle_keeps_its_message(begin_sweep: Any, error: Exception) -> None:
    """The trials save their steps first."""

    def run_trials(orders: list[Any], told: Any, **how: Any) -> None:
        raise error

    _, lines, start = begin_sweep(run_trials)
    with pytest.raises(type(error), match=str(error)):
        start()

    assert lines[-1] == "stopping: the trials save their steps"
