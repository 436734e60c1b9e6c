# SPDX-License-Identifier: Apache-2.0
"""What one server does wrong, and what comes of it; the servers are real, on loopback."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from faulty_server import Fault, FaultyServer, Handler
from http_faults import (
    answers,
    chunked,
    cuts,
    drips,
    encodes,
    gives_other_bytes,
    ignores_ranges,
    redirects,
    resets,
    sends_a_page,
    stalls,
    states_length,
    states_range,
)

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights.cache import part_path
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
SIZE = 300_000


def _set(server: FaultyServer, *faults: Fault | None) -> None:
    server.faults["/unet.safetensors"] = list(faults)


def _starts(server: FaultyServer) -> list[int]:
    return [asked.start for asked in server.asked]


def _left(target: Path) -> list[str]:
    return sorted(os.listdir(target.parent))


def test_fetch_from_a_good_server_leaves_the_file_alone_in_its_folder(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    assert target == fetch(address)

    assert payload == target.read_bytes()
    assert _left(target) == [target.name]
    assert server.asked[0].headers["accept-encoding"] == "identity"
    assert "range" not in server.asked[0].headers


@pytest.mark.parametrize(
    "fault", [cuts(100_000), resets(100_000), stalls(100_000)], ids=["cut", "reset", "stall"]
)
def test_fetch_when_broken_off_goes_on_where_it_was(
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    target: Path,
    payload: bytes,
    brisk: Patience,
    fault: Fault,
) -> None:
    """A reset may throw away what the client had not read; what it has is not asked for again."""
    _set(server, fault)

    fetch(address, patience=replace(brisk, stall_s=1.0))

    assert payload == target.read_bytes()
    _, second = server.asked
    assert 0 < second.start <= 100_000
    assert second.headers["if-range"] == f'"{_digest(payload)[:16]}"'
    assert second.start + second.sent_bytes == SIZE


def test_fetch_when_cut_again_and_again_goes_on_as_long_as_it_gets_on(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """Three tries are for an address that gives nothing; each of these brings 70,000 bytes."""
    _set(server, *[cuts(70_000)] * 4)

    fetch(address)

    assert payload == target.read_bytes()
    assert _starts(server) == [0, 70_000, 140_000, 210_000, 280_000]


def test_fetch_when_cut_before_anything_gives_up_after_its_tries(
    server: FaultyServer, address: str, fetch: Fetch, target: Path
) -> None:
    _set(server, *[cuts(0)] * 9)

    with pytest.raises(DownloadError, match="closed the connection after 0 of 300000 bytes"):
        fetch(address)

    assert len(server.asked) == 3
    assert _left(target) == [f".{target.name}.lock"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_fetch_when_the_server_is_busy_once_tries_again(
    server: FaultyServer, address: str, fetch: Fetch, status: int
) -> None:
    _set(server, answers(status))

    assert fetch(address).stat().st_size == SIZE
    assert len(server.asked) == 2


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_fetch_when_asked_to_wait_waits_so_long(
    server: FaultyServer, address: str, fetch: Fetch, form: str
) -> None:
    """A date has whole seconds, so one that is two ahead is more than one away."""
    asked = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    _set(server, answers(429, Retry_After=asked))
    started_s = time.monotonic()

    fetch(address)

    assert time.monotonic() - started_s >= 0.95


def test_fetch_when_asked_to_wait_too_long_gives_up_at_once(
    server: FaultyServer, address: str, fetch: Fetch
) -> None:
    _set(server, answers(503, Retry_After="3600"))

    with pytest.raises(DownloadError, match="answers 503 and asks for a wait of 3600 s"):
        fetch(address)

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answers(404), "not found (404)"),
        (answers(403), "refuses access (403)"),
        (answers(204), "cannot be used (204)"),
        (sends_a_page, "answers with a web page (text/html), expected the file"),
        (states_length(SIZE - 1, b"x" * (SIZE - 1)), "offers 299999 bytes, expected 300000"),
        (states_length(SIZE + 1, b"x" * (SIZE + 1)), "offers 300001 bytes, expected 300000"),
        (states_length(None, b"x" * (SIZE + 9)), "sent more than the 300000 bytes expected"),
        (redirects("ftp://127.0.0.1/unet"), "redirects from http to ftp://127.0.0.1/unet"),
        (redirects("file:///etc/passwd"), "redirects from http to file:///etc/passwd"),
        (redirects("/unet.safetensors"), "redirects in a circle, to http://127.0.0.1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fetch_of_what_cannot_be_the_file_is_refused_at_once(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, fault: Fault, reason: str
) -> None:
    """Trying again would give the same; nothing is left but the lock."""
    _set(server, *[fault] * 9)

    with pytest.raises(DownloadError) as raised:
        fetch(address)

    assert f"  {address}: {reason}" in raised.value.message
    assert len(server.asked) == 1
    assert _left(target) == [f".{target.name}.lock"]


def test_fetch_of_a_compressed_body_is_refused_and_never_decoded(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes
) -> None:
    server.files["/unet.safetensors"] = payload[:1000] * 300
    _set(server, encodes)

    with pytest.raises(DownloadError, match=r"offers \d+ bytes, encoded as gzip, expected 300000"):
        fetch(address)


def test_fetch_of_bytes_that_only_claim_to_be_compressed_takes_them_as_they_are(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """Some servers mark a file so by its ending; its own bytes are what the digest is of."""

    def marks(handler: Handler) -> None:
        handler.head(200, {"Content-Encoding": "gzip", "Content-Length": str(SIZE)})
        handler.body(payload)

    _set(server, marks)

    fetch(address)

    assert payload == target.read_bytes()
    assert len(server.asked) == 1


def test_fetch_of_other_bytes_names_both_digests_and_keeps_nothing(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    _set(server, gives_other_bytes)

    with pytest.raises(HashMismatchError) as raised:
        fetch(address)

    other = _digest(bytes(value ^ 0xFF for value in payload))
    assert (raised.value.expected, raised.value.actual) == (_digest(payload), other)
    assert f"sha256 is {other}, expected {_digest(payload)}." in raised.value.message
    assert _left(target) == [f".{target.name}.lock"]


def test_fetch_of_a_drip_is_a_stall(
    server: FaultyServer, address: str, fetch: Fetch, brisk: Patience
) -> None:
    """Each byte comes in time; all of them would take an hour and a half."""
    _set(server, drips(0.02))
    started_s = time.monotonic()

    with pytest.raises(DownloadError, match=r"sends only \d+ bytes a second"):
        fetch(address, patience=replace(brisk, tries=1, stall_s=3))

    assert time.monotonic() - started_s < 60


@pytest.mark.parametrize("upto", [None, 100_000], ids=["whole", "cut"])
def test_fetch_in_chunks_gives_the_file(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes, upto: int | None
) -> None:
    _set(server, chunked(upto))

    fetch(address)

    assert payload == target.read_bytes()
    assert _starts(server) == ([0] if upto is None else [0, 100_000])


@pytest.mark.parametrize(
    "fault",
    [
        states_range(f"bytes 0-{SIZE - 1}/{SIZE}"),
        states_range(f"bytes 100001-{SIZE - 1}/{SIZE}", 100_001),
        states_range(f"bytes 100000-{SIZE}/{SIZE + 1}", 100_000),
        states_range("nonsense", 100_000),
        answers(416),
    ],
    ids=["first byte", "one later", "other size", "nonsense", "416"],
)
def test_fetch_when_the_range_is_wrong_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes, fault: Fault
) -> None:
    _set(server, cuts(100_000), fault)

    fetch(address)

    assert payload == target.read_bytes()
    assert _starts(server) == [0, 100_000, 0]


def test_fetch_when_a_range_is_answered_with_200_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    _set(server, cuts(100_000), ignores_ranges)

    fetch(address)

    assert payload == target.read_bytes()
    assert _starts(server) == [0, 100_000]
    assert server.asked[1].sent_bytes == SIZE


def test_fetch_of_another_length_keeps_what_was_there(
    server: FaultyServer, address: str, fetch: Fetch, target: Path
) -> None:
    """What is refused by its headers costs nothing of what came before."""
    _set(server, cuts(100_000), states_length(9, b"x" * 9))

    with pytest.raises(DownloadError, match="offers 9 bytes, expected 300000"):
        fetch(address)

    assert part_path(target).stat().st_size == 100_000


def test_fetch_when_the_file_was_replaced_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """An old file was cut off; If-Range lets the server answer with the whole new one."""
    server.files["/unet.safetensors"] = b"\0" * SIZE
    _set(server, cuts(100_000), *[answers(404)])
    with pytest.raises(DownloadError):
        fetch(address)
    server.files["/unet.safetensors"] = payload

    fetch(address)

    assert payload == target.read_bytes()
    assert server.asked[-1].start == 100_000
    assert server.asked[-1].sent_bytes == SIZE


def test_fetch_when_a_range_comes_with_another_etag_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """A server that does not know If-Range."""

    def of_another(handler: Handler) -> None:
        text = f"bytes 100000-{SIZE - 1}/{SIZE}"
        length = str(SIZE - 100_000)
        handler.head(206, {"Content-Range": text, "Content-Length": length, "ETag": '"new"'})

    _set(server, cuts(100_000), of_another)

    fetch(address)

    assert payload == target.read_bytes()
    assert _starts(server) == [0, 100_000, 0]


def test_fetch_follows_redirects_with_its_range(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    server.files["/moved"] = payload
    _set(server, redirects("/moved"), redirects("/moved", 307))
    server.faults["/moved"] = [cuts(100_000)]

    fetch(address)

    assert payload == target.read_bytes()
    assert [asked.start for asked in server.asked if asked.path == "/moved"] == [0, 100_000]


def test_fetch_follows_so_many_redirects_and_no_more(
    server: FaultyServer, address: str, fetch: Fetch
) -> None:
    _set(server, redirects("/0"))
    for number in range(9):
        server.faults[f"/{number}"] = [redirects(f"/{number + 1}")]

    with pytest.raises(DownloadError, match="redirects more than 5 times"):
        fetch(address)

    assert len(server.asked) == 6


def test_fetch_from_a_port_where_nobody_listens_says_so(fetch: Fetch) -> None:
    with FaultyServer() as gone:
        address = gone.address

    with pytest.raises(DownloadError) as raised:
        fetch(f"{address}/unet.safetensors")

    assert "cannot be reached (Connection refused)" in raised.value.message


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
