# SPDX-License-Identifier: Apache-2.0
"""How a service begins and ends: signals, ports, models that cannot be opened."""

from __future__ import annotations

import importlib.util
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.timeout(400)]

SLEEPS = 201


def children(pid: int) -> list[int]:
    """Return the processes that any thread of one has started."""
    found = [
        path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children")
    ]
    return [int(word) for text in found for word in text.split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until_gone(pids: list[int], seconds: float = 100) -> bool:
    deadline_s = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return not any(is_alive(pid) for pid in pids)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.release)]
)
def test_signal_lets_accepted_requests_finish(
    starting: Any, picture: Any, tmp_path: Path, number: int, in_background: Any
) -> None:
    """One runs and one waits; both are answered, nothing is accepted any more, and it exits 0."""
    served = starting.serve(starting.moody, env=starting.env | {"TMPDIR": str(tmp_path)})
    workers = children(served.process.pid)
    slow = picture(mood=SLEEPS, seconds=2)
    waiting = [in_background(lambda: served.post(slow.png)) for _ in range(2)]
    while served.metric("zoo_requests_in_progress") < 2:
        time.sleep(0.02)

    served.process.send_signal(number)

    assert [wait().body for wait in waiting] == [slow.labels] * 2
    _, said = served.process.communicate(timeout=100)
    assert served.process.returncode == 0, said
    assert "Traceback" not in said
    with pytest.raises(OSError, match="refused"):
        served.post(slow.png)
    assert workers
    assert until_gone(workers)
    assert not list(tmp_path.glob("zoo-serve-*"))


def test_ctrl_c_in_a_terminal_ends_quietly(starting: Any) -> None:
    """The whole group of the terminal gets the signal; no traceback, exit 0."""
    words = [starting.program, "serve", starting.moody, "--port", "0", "--workers", "2"]
    terminal = _terminal().Terminal(words, environment=starting.env)
    try:
        assert terminal.wait_for("serving 1 model at ", 300), terminal.text
        workers = children(terminal.pid)
        terminal.press_ctrl_c()
        assert terminal.wait() == 0, terminal.text
        assert "Traceback" not in terminal.text
        assert until_gone(workers)
    finally:
        terminal.kill()


def test_killed_service_leaves_no_process(starting: Any) -> None:
    """Processes that predict end with the one that serves, even by SIGKILL."""
    served = starting.serve(starting.moody)
    workers = children(served.process.pid)

    served.process.kill()

    assert workers
    assert until_gone(workers)


def test_port_in_use_is_one_message(starting: Any) -> None:
    """Before any model is opened; the hint names another port that works."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = starting.begin(starting.moody, "--port", str(port))
        _, said = process.communicate(timeout=200)

    assert process.returncode == 1
    assert said.startswith(f"error: cannot serve at 127.0.0.1:{port}: the port is in use.")
    assert f"--port {port + 1 if port < 65535 else 0}" in said
    assert said.count("error:") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no_such_weights"], "no_such_weights"),
        (["a=unet_lung_montgomery", "a=mask_rcnn_small_tanks"], "two models as 'a'"),
        (["unet_lung_montgomery", "--host", "no.such.host.invalid"], "--host"),
    ],
)
def test_service_that_cannot_begin_is_one_message(
    starting: Any, words: list[str], told: str
) -> None:
    """An unknown model, two of one name, a host that is none: exit 1 and a hint."""
    process = starting.begin(*words, "--port", "0")
    said, error = process.communicate(timeout=300)

    assert process.returncode == 1
    assert not said
    assert told in error
    assert "HINT: " in error
    assert error.count("error:") == 1
    assert "Traceback" not in error


def test_requests_before_the_models_are_open_are_told_to_wait(starting: Any, picture: Any) -> None:
    """The port answers at once: it lives, it is not ready, and says when to come again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = starting.begin(starting.moody, "--port", str(port))
    served = type(starting).served(process, port)
    deadline_s = time.monotonic() + 200
    while time.monotonic() < deadline_s:
        try:
            live = served.ask("GET", "/health/live")
            break
        except OSError:
            time.sleep(0.02)

    early = served.post(picture().png)

    assert live.status == 200
    assert early.status == 503, early.body
    assert int(early.headers["retry-after"]) >= 1
    assert process.stdout.readline().startswith("serving ")
    assert served.post(picture().png).body == picture().labels
    process.terminate()
    assert process.wait(timeout=100) == 0


def _terminal() -> Any:
    path = Path(__file__).resolve().parents[3] / "tools/terminal.py"
    spec = importlib.util.spec_from_file_location("terminal", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
