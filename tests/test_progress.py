# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal, in a log, and of a runner that is only looked at."""

from __future__ import annotations

import io
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.progress import ProgressBar, State


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_bar_without_terminal_writes_a_line_now_and_then() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, quiet_s=0, line_s=60)

    for done in range(5):
        bar.show(State("train", done, 100))

    assert stream.getvalue().splitlines()[0].startswith("train: 1/100")
    assert len(stream.getvalue().splitlines()) == 1


def test_progress_bar_line_tells_rate_and_time_left() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, quiet_s=0, line_s=0)
    bar.show(State("validate", 10, 4000))
    time.sleep(0.02)
    bar.show(State("validate", 20, 4000))

    line = stream.getvalue().splitlines()[-1]

    assert re.fullmatch(r"validate: 20/4000, [\d.]+/s, [\d:]+ left", line)


def test_progress_bar_line_of_slow_steps_tells_the_seconds_of_one() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, quiet_s=0, line_s=0)
    bar.show(State("train", 0, 4))
    bar._started_s -= 20
    bar.show(State("train", 2, 4))

    assert stream.getvalue() == "train: 2/4, 10.0 s each, 0:20 left\n"


def test_progress_bar_of_short_work_shows_nothing() -> None:
    for stream in (io.StringIO(), _Terminal()):
        bar = ProgressBar(stream)
        bar.show(State("test", 1, 2))
        bar.close()

        assert stream.getvalue() == ""


def test_progress_bar_on_terminal_is_drawn_and_taken_away() -> None:
    stream = _Terminal()
    bar = ProgressBar(stream, quiet_s=0)

    bar.show(State("train", 3, 12))
    bar.show(State("validate", 1, 2))
    bar.close()

    assert "train:  25%" in stream.getvalue()
    assert "validate:  50%" in stream.getvalue()
    assert stream.getvalue().endswith("\r")


def test_progress_bar_of_unknown_total_counts() -> None:
    stream = io.StringIO()

    ProgressBar(stream, quiet_s=0, line_s=0).show(State("read", 7, 0))

    assert stream.getvalue() == "read: 7\n"


class _Lines(io.StringIO):
    """A log that a test can wait for."""

    def wait_for(self, text: str) -> None:
        end_s = time.monotonic() + 30
        while text not in self.getvalue() and time.monotonic() < end_s:
            time.sleep(0.01)


@pytest.mark.mm
def test_watch_runner_counts_without_touching_the_train_loop() -> None:
    """The train loop is read, validation is counted, and neither changes what it returns."""
    from zoo.engine.runs.progress import watch_runner

    class Loop:
        dataloader = range(3)

        def run_iter(self, idx: int, data_batch: Any) -> str:
            if idx:
                stream.wait_for(f"validate: {idx}/3")
            return f"{idx}{data_batch}"

    train = SimpleNamespace(iter=4, max_iters=8)
    val = Loop()
    runner: Any = SimpleNamespace(_train_loop=train, _val_loop=val, _test_loop=None)
    stream = _Lines()

    with watch_runner(runner, ProgressBar(stream, quiet_s=0, line_s=0)):
        stream.wait_for("train: 4/8")
        results = [val.run_iter(index, "b") for index in range(3)]

    assert results == ["0b", "1b", "2b"]
    assert vars(train) == {"iter": 4, "max_iters": 8}
    lines = stream.getvalue().splitlines()
    assert lines[0] == "train: 4/8"
    assert any(line.startswith("validate: 1/3") for line in lines)


@pytest.mark.mm
def test_progress_of_a_run_that_ends_by_the_clock_tells_the_time_that_is_left() -> None:
    """Its steps would take longer; a hook without a clock says nothing."""
    from zoo.engine.runs.progress import watch_runner

    train = SimpleNamespace(iter=4, max_iters=100_000)
    clock = SimpleNamespace(left_s=1e9)
    runner: Any = SimpleNamespace(_train_loop=train, hooks=[SimpleNamespace(), clock])
    stream = _Lines()

    with watch_runner(runner, ProgressBar(stream, quiet_s=0, line_s=0)):
        stream.wait_for("train: 4/100000")
        train.iter = 5
        stream.wait_for("train: 5/100000")
        clock.left_s = 0.0
        stream.wait_for("train: 5/6,")

    assert stream.getvalue().splitlines()[-1].startswith("train: 5/6, ")
    assert stream.getvalue().endswith(" left\n")
