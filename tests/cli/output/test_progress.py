# SPDX-License-Identifier: Apache-2.0
"""How far a download is, on a terminal and elsewhere."""

from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from zoo.cli.output.progress import byte_progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "time", lambda: 1e9 + clock[0])
    return clock


def test_progress_on_a_terminal_redraws_one_line(
    now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 of 50 MB, in tqdm's form: 10 MB in 2 s are 5 MB/s; the 30 MB that are left take 6 s."""
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)

    with byte_progress("unet") as shown:
        shown(10_000_000, 50_000_000)
        now_s[0] += 2
        shown(20_000_000, 50_000_000)
        drawn = stream.getvalue()

    assert "\n" not in stream.getvalue()
    assert drawn.rpartition("\r")[2].startswith("unet:  40%|")
    assert drawn.rpartition("\r")[2].rstrip().endswith("| 20.0M/50.0M [00:02<00:06, 5.00MB/s]")
    assert stream.getvalue().endswith("\r")
    assert not stream.getvalue().split("\r")[-2].strip()


def test_progress_on_a_terminal_of_a_short_download_draws_nothing(
    now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)

    with byte_progress("unet") as shown:
        for step in range(5):
            now_s[0] = step * 0.1
            shown(step, 5)

    assert stream.getvalue() == ""


def test_progress_on_a_terminal_is_drawn_ten_times_a_second_at_most(
    now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast disk gives thousands of blocks a second."""
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)

    with byte_progress("unet") as shown:
        for step in range(3000):
            now_s[0] = step / 1000
            shown(step, 3000)

    assert 20 <= stream.getvalue().count("unet:") <= 40


def test_progress_elsewhere_is_a_plain_line_now_and_then(
    now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    with byte_progress("unet") as shown:
        for second in range(31):
            now_s[0] = float(second)
            shown(second * 1_000_000, 90_000_000)

    assert stream.getvalue().splitlines() == [
        "unet: 17%, 15.0 of 90.0 MB, 1.0 MB/s, 1:15 left",
        "unet: 33%, 30.0 of 90.0 MB, 1.0 MB/s, 1:00 left",
    ]


def test_progress_lets_what_is_logged_through(capsys: pytest.CaptureFixture[str]) -> None:
    with byte_progress("unet"):
        logging.getLogger("zoo").warning("trying %s", "again")

    assert capsys.readouterr().err == "trying again\n"


def test_progress_on_a_terminal_is_drawn_again_below_what_is_logged(
    now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)

    with byte_progress("unet") as shown:
        now_s[0] = 1
        shown(1, 4)
        logging.getLogger("zoo").warning("trying again")
        now_s[0] = 2
        shown(2, 4)

    before, _, after = stream.getvalue().partition("trying again\n")
    assert before.endswith("\r")
    assert "unet:  25%" in before
    assert "unet:  50%" in after
