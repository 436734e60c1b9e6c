# SPDX-License-Identifier: Apache-2.0
"""Large files over several connections: what a server, a hub or a signal may do meanwhile."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import Asked, FaultyServer, Handler
from http_faults import answers, cuts, gives_other_bytes, ignores_ranges, resets, stalls
from loopback_hub import LoopbackHub

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights.cache import part_path
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
PATH = "/unet.safetensors"
SIZE, RANGE = 300_000, 20_000
STARTS = list(range(0, SIZE, RANGE))
CLIENT = """
import sys
from pathlib import Path
from zoo.errors import DownloadError
from zoo.weights import fetch_file
from zoo.weights.fetching.setbacks import Patience
target, sha256, size, address = sys.argv[1:]
patience = Patience(ranges_from_bytes=100_000, range_bytes=20_000, fast_bytes_s=1e18)
try:
    fetch_file(Path(target), sha256, int(size), [address], patience=patience)
except DownloadError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def wide(brisk: Patience) -> Patience:
    """Return a patience that fetches the payload in 15 ranges, four at the same time."""
    ranges = {"ranges_from_bytes": 100_000, "range_bytes": RANGE, "fast_bytes_s": 1e18}
    return replace(brisk, connections=4, **ranges)


def _spans(asked: list[Asked]) -> list[tuple[int, int | None]]:
    return [(each.start, each.stop) for each in asked]


def test_large_file_comes_in_ranges_over_several_connections(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, payload: bytes
) -> None:
    """Three are answered only when all three have asked; the first range comes alone."""
    together = threading.Barrier(3)

    def waits(handler: Handler) -> None:
        together.wait(120)
        handler.serve()

    server.faults[PATH] = [None, waits, waits, waits]
    seen: list[tuple[int, int]] = []

    path = fetch(address, patience=wide, progress=lambda *done: seen.append(done))

    assert path.read_bytes() == payload
    assert sorted(_spans(server.asked)) == [(start, start + RANGE) for start in STARTS]
    assert seen == sorted(seen)
    assert seen[-1] == (SIZE, SIZE)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "changed",
    [{"connections": 1}, {"ranges_from_bytes": SIZE + 1}, {"range_bytes": SIZE}],
    ids=lambda changed: next(iter(changed)),
)
def test_file_that_is_not_worth_ranges_comes_at_once(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, changed: dict[str, int]
) -> None:
    fetch(address, patience=replace(wide, **changed))

    assert _spans(server.asked) == [(0, None)]


def test_fast_connection_is_left_alone(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience
) -> None:
    fetch(address, patience=replace(wide, fast_bytes_s=1.0))

    assert _spans(server.asked) == [(0, RANGE), (RANGE, None)]


@pytest.mark.parametrize("count", [1, 2, 7, 15])
@pytest.mark.parametrize(
    "fault", [cuts(5000), resets(5000), stalls(5000), answers(503), cuts(0)],
    ids=["cut", "reset", "stall", "503", "empty"],
)  # fmt: skip
def test_range_that_breaks_off_is_mended_alone(
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    wide: Patience,
    payload: bytes,
    fault: Callable[[Handler], None],
    count: int,
) -> None:
    """The first one too; no other range is asked for twice."""
    server.faults[PATH] = [*[None] * (count - 1), fault]

    path = fetch(address, patience=replace(wide, stall_s=0.5))

    assert path.read_bytes() == payload
    assert len(server.asked) == len(STARTS) + 1
    stops = [asked.stop for asked in server.asked]
    assert len([stop for stop in stops if stops.count(stop) > 1]) in (0, 2)


def test_server_that_ignores_ranges_is_read_at_once(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, payload: bytes
) -> None:
    server.faults[PATH] = [ignores_ranges]

    assert fetch(address, patience=wide).read_bytes() == payload
    assert len(server.asked) == 1


@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize("fault", [ignores_ranges, answers(429), answers(404), answers(416)])
def test_server_that_does_not_take_several_connections_gets_one(
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    wide: Patience,
    payload: bytes,
    fault: Callable[[Handler], None],
    count: int,
) -> None:
    """What came is kept, and the rest comes in one piece."""
    server.faults[PATH] = [*[None] * (count - 1), fault]

    path = fetch(address, patience=wide)

    assert path.read_bytes() == payload
    assert server.asked[-1].start >= RANGE
    assert server.asked[-1].stop is None


def test_too_many_requests_are_answered_by_waiting_as_asked(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience
) -> None:
    server.faults[PATH] = [None, None, answers(429, Retry_After="1")]
    started_s = time.monotonic()

    fetch(address, patience=wide)

    assert time.monotonic() - started_s >= 1.0


def _states(etag: str) -> Callable[[Handler], None]:
    """Return a fault: the right range, under another ETag."""

    def act(handler: Handler) -> None:
        start, stop = handler.asked.start, handler.asked.stop or SIZE
        span = f"bytes {start}-{stop - 1}/{SIZE}"
        length = str(stop - start)
        handler.head(206, {"ETag": etag, "Content-Range": span, "Content-Length": length})
        handler.body(handler.data[start:stop])

    return act


@pytest.mark.parametrize("etag", ['W/"1"', ""])
def test_server_with_a_weak_or_no_etag_gets_one_connection(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, etag: str
) -> None:
    """It cannot say whether two ranges are of the same file."""
    server.faults[PATH] = [_states(etag)]

    fetch(address, patience=wide)

    assert _spans(server.asked) == [(0, RANGE), (RANGE, None)]


@pytest.mark.parametrize("etag", ['"another"', 'W/"another"', ""])
def test_ranges_of_another_file_are_never_joined(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, payload: bytes, etag: str
) -> None:
    server.faults[PATH] = [None, None, None, _states(etag)]

    assert fetch(address, patience=wide).read_bytes() == payload
    assert server.asked[-1].stop is None
    assert "if-range" in server.asked[-1].headers


def test_file_that_changes_meanwhile_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, payload: bytes
) -> None:
    """The first ranges are of an older file of the same size."""

    def mends(handler: Handler) -> None:
        server.files[PATH] = payload
        handler.serve()

    server.files[PATH] = bytes(reversed(payload))
    server.faults[PATH] = [None, None, None, mends]

    assert fetch(address, patience=wide).read_bytes() == payload


def test_ranges_of_wrong_bytes_are_refused_by_the_digest_over_the_whole(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, target: Path, payload: bytes
) -> None:
    server.files[PATH] = payload[:150_000] + b"\0" + payload[150_001:]

    with pytest.raises(HashMismatchError):
        fetch(address, patience=wide)

    assert not target.exists()
    assert not part_path(target).exists()


def test_next_run_goes_on_in_ranges_where_the_last_was(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience, target: Path, payload: bytes
) -> None:
    server.faults[PATH] = [*[None] * 6, *[answers(404)] * 9]
    with pytest.raises(DownloadError, match="the bytes received are kept"):
        fetch(address, patience=wide)
    kept, asked = part_path(target).stat().st_size, len(server.asked)
    server.faults[PATH] = []

    fetch(address, patience=wide)

    assert target.read_bytes() == payload
    assert kept % RANGE == 0
    assert min(each.start for each in server.asked[asked:]) == kept > 0


def test_ranges_of_a_hub_come_from_its_cdn_until_the_address_expires(
    hub: LoopbackHub, fetch: Fetch, wide: Patience, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is asked once for many ranges, again when told to, and alone gets the token."""
    hub.tokens = {"hf_token": {"acme/unet"}}
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    commit = hub.add("acme/unet", {"x.safetensors": payload}, is_gated=True)
    address = f"hf://acme/unet@{commit}/x.safetensors"

    assert fetch(address, patience=wide).read_bytes() == payload
    assert len(hub.asked) == 1
    assert len(hub.cdn.asked) == len(STARTS)
    path = f"/repos/{hashlib.sha256(payload).hexdigest()}"
    hub.cdn.faults[path] = [None, None, None, answers(403), answers(410)]
    os.remove(fetch(address))
    assert fetch(address, patience=wide).read_bytes() == payload

    assert 3 <= len(hub.asked) <= 12
    assert all("authorization" in asked.headers for asked in hub.asked)
    assert not any("authorization" in asked.headers for asked in hub.cdn.asked)


def test_ranges_of_a_hub_whose_addresses_serve_once_come_whole(
    hub: LoopbackHub, fetch: Fetch, wide: Patience, payload: bytes
) -> None:
    hub.signed_uses = 1
    commit = hub.add("acme/unet", {"x.safetensors": payload})

    path = fetch(f"hf://acme/unet@{commit}/x.safetensors", patience=wide)

    assert path.read_bytes() == payload


def _start(target: Path, payload: bytes, address: str) -> subprocess.Popen[str]:
    words = [str(target), hashlib.sha256(payload).hexdigest(), str(len(payload)), address]
    command = [sys.executable, "-c", CLIENT, *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _wait_for_bytes(target: Path, count: int) -> None:
    until_s = time.monotonic() + 120
    while not (part_path(target).exists() and part_path(target).stat().st_size >= count):
        assert time.monotonic() < until_s, "too few bytes came"
        time.sleep(0.005)


def test_fetch_in_ranges_when_killed_keeps_the_first_bytes_and_no_hole(
    server: FaultyServer, address: str, target: Path, payload: bytes
) -> None:
    """Three times ``kill -9`` at some moment; each run goes on where the last one was."""
    server.bytes_s = 60_000
    chance, kept = random.Random(0), 0
    for wanted in (40_000, 110_000, 180_000):
        process = _start(target, payload, address)
        _wait_for_bytes(target, wanted)
        time.sleep(chance.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=120)
        found = part_path(target).read_bytes()
        assert payload.startswith(found)
        assert len(found) >= max(kept, wanted)
        kept, asked = len(found), len(server.asked)
    server.bytes_s = None

    process = _start(target, payload, address)

    assert process.communicate(timeout=120) == (None, "")
    assert target.read_bytes() == payload
    assert min(each.start for each in server.asked[asked:]) == kept
    assert os.listdir(target.parent) == [target.name]


def test_fetch_in_ranges_when_interrupted_ends_at_once_and_quietly(
    server: FaultyServer, address: str, target: Path, payload: bytes
) -> None:
    """No thread reports an error of its own, and none keeps the process alive."""
    server.bytes_s = 20_000
    process = _start(target, payload, address)
    _wait_for_bytes(target, RANGE)
    server.bytes_s = 1_000  # of each range that is asked for from now on: minutes for all
    time.sleep(0.2)
    started_s = time.monotonic()

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)

    assert time.monotonic() - started_s < 40
    assert process.returncode != 0
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert "Exception in thread" not in told
    assert told.count("Traceback") == 1
    assert payload.startswith(part_path(target).read_bytes())


def test_fetch_in_ranges_from_a_server_that_never_sends_the_last_ends(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience
) -> None:
    """Every attempt at one range stalls, so it is given up; then one connection does it."""
    server.faults[PATH] = [*[None] * 14, *[stalls(0)] * 3]

    path = fetch(address, patience=replace(wide, stall_s=0.3))

    assert path.stat().st_size == SIZE


def test_fetch_in_ranges_of_other_bytes_everywhere_fails(
    server: FaultyServer, address: str, fetch: Fetch, wide: Patience
) -> None:
    server.faults[PATH] = [gives_other_bytes] * 99

    with pytest.raises(HashMismatchError):
        fetch(address, patience=wide)


@pytest.mark.parametrize("left", [0, 2])
def test_fetch_in_ranges_without_enough_threads_uses_those_it_gets(
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    wide: Patience,
    monkeypatch: pytest.MonkeyPatch,
    left: int,
) -> None:
    """As in a container whose number of processes is limited."""
    start, started = threading.Thread.start, [0]

    def limited(thread: threading.Thread) -> None:
        if "_work" in thread.name:
            started[0] += 1
            if started[0] > left:
                message = "can't start new thread"
                raise RuntimeError(message)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)

    assert fetch(address, patience=wide).stat().st_size == SIZE
    assert started[0] == left + 1
    assert (server.asked[-1].stop is None) is (left == 0)
