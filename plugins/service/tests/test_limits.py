# SPDX-License-Identifier: Apache-2.0
"""Clients that read or send slowly, and processes that end or change: without a real model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.timeout(200)]

SERVICE = Path(__file__).resolve().parents[1]

# The service with its real pool; only what runs in its processes needs no torch.
_MODEL = """
import os
from pathlib import Path

from zoo_service.messages import receive, send

TAG = Path(__file__).with_name("tag")
MODEL = {"task": "semantic", "classes": ["a"], "palette": [[0, 0, 0]], "licence": None}


def work(connection, plan):
    tag = TAG.read_text()
    if tag == "broken":
        os._exit(7)
    model = MODEL | {"sha256": tag if tag != "any" else str(os.getpid()), "notice": None}
    send(connection, {"models": {name: model for name in plan.specs}})
    try:
        while True:
            job, _ = receive(connection)
            data = Path(job["path"]).read_bytes()
            if data == b"end":
                os._exit(7)
            size = int(data) if data.isdigit() else len(data)
            head = {"status": 200, "media_type": "image/png", "seconds": 0.1, "memory_bytes": 1}
            send(connection, head, bytes(size))
    except (EOFError, OSError):
        return
"""
_SERVICE = """
import sys

import fake_model
import zoo_service.pool as pool
from zoo_service.serving import serve
from zoo_service.settings import Settings

pool.work = fake_model.work
pool._MOST_PAUSE_S = 0.05
if __name__ == "__main__":
    from zoo.errors import ZooError
    workers, timeout_s = int(sys.argv[1]), float(sys.argv[2])
    settings = Settings({"m": "m"}, port=0, queue=2, timeout_s=timeout_s, workers=workers)
    try:
        serve(settings, lambda text: print("serving", text, flush=True))
    except ZooError as error:
        sys.exit(str(error))
"""


class Fake:
    """A service that runs, and what its processes read when they start."""

    def __init__(
        self, folder: Path, env: dict[str, str], *, workers: int = 1, timeout_s: float = 6
    ) -> None:
        self.tag = folder / "tag"
        self.process = subprocess.Popen(
            [sys.executable, folder / "service.py", str(workers), str(timeout_s)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # glibc keeps what it has freed below a threshold that grows to 32 MB, if none is set.
            env=env
            | {
                "PYTHONPATH": f"{folder}{os.pathsep}{SERVICE}",
                "MALLOC_MMAP_THRESHOLD_": "65536",
            },
        )

    def worker(self) -> int:
        """Return the process that predicts."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(word) for path in tasks for word in path.read_text().split()]
        return next(
            pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )

    def memory_bytes(self) -> int:
        words = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the service and the model."""
    found = tmp_path_factory.mktemp("fake")
    (found / "fake_model.py").write_text(_MODEL)
    (found / "service.py").write_text(_SERVICE)
    (found / "tag").write_text("one")
    return found


@pytest.fixture(scope="module")
def fake(folder: Path, starting: Any) -> Iterator[tuple[Fake, Any]]:
    """Serve it with a short --timeout; return it, and what asks it."""
    with _serving(Fake(folder, starting.env), starting) as found:
        yield found


@pytest.fixture(scope="module")
def patient(folder: Path, starting: Any) -> Iterator[tuple[Fake, Any]]:
    """Serve it with as much time as a process may need to start on a busy machine."""
    with _serving(Fake(folder, starting.env, timeout_s=120), starting) as found:
        yield found


@contextmanager
def _serving(running: Fake, starting: Any) -> Iterator[tuple[Fake, Any]]:
    assert running.process.stdout is not None
    line = running.process.stdout.readline()
    assert line.startswith("serving "), (line, running.process.communicate())
    yield running, starting.served(running.process, int(line.rpartition(":")[2]))
    running.process.kill()
    running.process.communicate()


def until(is_true: Callable[[], bool], seconds: float = 100) -> bool:
    """Return whether it came true in time."""
    end_s = time.monotonic() + seconds
    while not is_true() and time.monotonic() < end_s:
        time.sleep(0.05)
    return is_true()


def has_ended(pid: int) -> bool:
    """Return whether a process runs no more, waited for or not."""
    try:
        return b" Z " in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return True


def post(port: int, body: bytes) -> socket.socket:
    """Send an image, and read nothing of the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def end_of(client: socket.socket, seconds: float) -> bytes:
    """Return all that a server sends until it closes."""
    client.settimeout(seconds)
    found = b""
    try:
        while data := client.recv(2**20):
            found += data
    except ConnectionError:
        pass
    return found


def test_answer_that_nobody_reads_holds_its_place_and_ends(fake: tuple[Fake, Any]) -> None:
    """It counts as a request in progress, and after --timeout its memory is free again."""
    running, served = fake
    before = running.memory_bytes()
    clients = [post(served.port, b"30000000") for _ in range(3)]
    assert until(lambda: served.metric("zoo_requests_total") >= 3)

    assert served.metric("zoo_requests_in_progress") == 3  # all are answered, and none is read
    assert served.post(b"1").status == 429
    assert until(lambda: served.metric("zoo_requests_in_progress") == 0)
    assert until(lambda: running.memory_bytes() < before + 30_000_000)

    assert all(len(end_of(client, 60)) < 30_000_000 for client in clients)


def test_answer_that_is_read_slowly_arrives_whole(fake: tuple[Fake, Any]) -> None:
    """A client within its time gets every byte."""
    _, served = fake
    client = post(served.port, b"5000000")
    client.settimeout(60)
    time.sleep(1)

    found = client.recv(100_000)
    time.sleep(0.5)
    while len(found) < 5_000_000:
        found += client.recv(2**20)

    assert found.startswith(b"HTTP/1.1 200 ")
    assert until(lambda: served.metric("zoo_requests_in_progress") == 0)
    client.close()


def test_body_after_the_answer_has_its_time(fake: tuple[Fake, Any]) -> None:
    """A byte now and then does not hold the connection."""
    _, served = fake
    with socket.create_connection(("127.0.0.1", served.port), timeout=1) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        begun_s = time.monotonic()
        assert client.recv(999).startswith(b"HTTP/1.1 200 ")
        is_open = True
        while is_open and time.monotonic() < begun_s + 60:
            try:
                client.sendall(b"a")
                is_open = client.recv(999) != b""
            except TimeoutError:
                pass
            except ConnectionError:
                is_open = False

    assert not is_open


@pytest.mark.parametrize("path", ["/v1/models/none/predict", "/nothing", "/predict?x=1"])
def test_refused_body_that_waits_for_leave_closes(fake: tuple[Fake, Any], path: str) -> None:
    """The next request is not taken for the body: the connection says that it closes."""
    _, served = fake
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        client.sendall(head.encode() + b"Content-Length: 60\r\n\r\n")

        answer = end_of(client, 5).lower()

    assert answer.startswith(b"http/1.1 4")
    assert answer.count(b"connection: close") == 1
    assert b"x-content-type-options: nosniff" in answer
    assert b"cache-control: no-store" in answer


@pytest.mark.parametrize("path", ["/v1/models/", "/health/live/", "/docs/"])
def test_slash_at_the_end_is_no_redirect(fake: tuple[Fake, Any], path: str) -> None:
    """Whatever Host a client names, no answer sends it there."""
    got = fake[1].ask("GET", path, Host="evil.example")

    assert got.status == 404
    assert b"evil" not in got.body
    assert "location" not in got.headers


def test_large_form_is_written_once(fake: tuple[Fake, Any]) -> None:
    """The file of a form is what the model gets, byte for byte in number."""
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n'
    body = head + bytes(3_000_000) + b"\r\n--x--\r\n"

    got = fake[1].post(body, Content_Type="multipart/form-data; boundary=x")

    assert got.status == 200
    assert len(got.body) == 3_000_000


def test_process_that_ends_while_idle_costs_no_image(patient: tuple[Fake, Any]) -> None:
    """Readiness and the metric know it at once, and the next image is predicted."""
    running, served = patient
    assert until(lambda: served.metric("zoo_processes_ready") == 1)
    restarts = served.metric("zoo_process_restarts_total")
    running.tag.write_text("broken")
    os.kill(running.worker(), signal.SIGKILL)

    assert until(lambda: served.metric("zoo_processes_ready") == 0)
    assert served.ask("GET", "/health/ready").status == 503
    running.tag.write_text("one")
    assert served.post(b"1").status == 200
    assert served.metric("zoo_process_restarts_total") == restarts + 1


def test_image_at_the_moment_of_the_end_is_predicted(patient: tuple[Fake, Any]) -> None:
    """An image that is sent right after the process was killed is not lost with it."""
    running, served = patient
    assert until(lambda: served.ask("GET", "/health/ready").status == 200)
    for _ in range(3):
        worker = running.worker()
        os.kill(worker, signal.SIGKILL)
        until(lambda pid=worker: has_ended(pid), 0.01)

        assert served.post(b"1").status == 200


def test_service_lives_again_after_its_models_open(patient: tuple[Fake, Any]) -> None:
    """Five failed starts end liveness, and so does no sixth that works."""
    running, served = patient
    assert until(lambda: served.ask("GET", "/health/ready").status == 200)
    running.tag.write_text("broken")
    os.kill(running.worker(), signal.SIGKILL)

    assert until(lambda: served.ask("GET", "/health/live").status == 503)
    running.tag.write_text("one")
    assert until(lambda: served.ask("GET", "/health/ready").status == 200)
    assert served.ask("GET", "/health/live").status == 200


def test_process_with_another_model_is_refused(patient: tuple[Fake, Any]) -> None:
    """A file that has changed since the start does not answer under the old digest."""
    running, served = patient
    assert until(lambda: served.ask("GET", "/health/ready").status == 200)
    running.tag.write_text("two")
    os.kill(running.worker(), signal.SIGKILL)

    assert until(lambda: served.ask("GET", "/health/live").status == 503)
    assert served.ask("GET", "/health/ready").status == 503
    running.tag.write_text("one")
    assert until(lambda: served.ask("GET", "/health/ready").status == 200)
    assert served.ask("GET", "/v1/models/m").json["sha256"] == "one"


def test_processes_with_different_models_do_not_start(
    folder: Path, starting: Any, tmp_path: Path
) -> None:
    """Two workers that find two checkpoints are one message, and no service."""
    for name in ("service.py", "fake_model.py"):
        (tmp_path / name).write_text((folder / name).read_text())
    (tmp_path / "tag").write_text("any")

    said, told = Fake(tmp_path, starting.env, workers=2).process.communicate(timeout=120)

    assert not said
    assert "a process opened other models" in told
    assert "Traceback" not in told
