# SPDX-License-Identifier: Apache-2.0
"""How far a download is, on a terminal and elsewhere."""

from __future__ import annotations

import io
import logging
import time

import pytest

from zoo.cli.output.byte_progress import ByteProgress, byte_progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_redraws_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 MB in 2 s are 5 MB/s; the 30 MB that are left take 6 s."""
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    stream = _Terminal()
    shown = ByteProgress("unet", stream)

    shown(10_000_000, 50_000_000)
    now_s[0] += 2
    shown(20_000_000, 50_000_000)
    shown.clear()

    bar = "[#########...............]"
    text = f"unet: {bar} 40%, 20.0 of 50.0 MB, 5.0 MB/s, 0:06 left"
    assert stream.getvalue() == f"\r\x1b[K{text}"[: 3 + 1 + 79] + "\r\x1b[K"


def test_progress_elsewhere_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    stream = io.StringIO()
    shown = ByteProgress("unet", stream)

    for second in range(31):
        now_s[0] = float(second)
        shown(second * 1_000_000, 90_000_000)
    shown.clear()

    assert stream.getvalue().splitlines() == [
        "unet: 17%, 15.0 of 90.0 MB, 1.0 MB/s, 1:15 left",
        "unet: 33%, 30.0 of 90.0 MB, 1.0 MB/s, 1:00 left",
    ]


def test_progress_lets_what_is_logged_through(capsys: pytest.CaptureFixture[str]) -> None:
    with byte_progress("unet"):
        logging.getLogger("zoo").warning("trying %s", "again")

    assert capsys.readouterr().err == "trying again\n"
