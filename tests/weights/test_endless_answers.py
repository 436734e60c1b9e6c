# SPDX-License-Identifier: Apache-2.0
"""Answers that never end, of which each byte comes in time: given up, and the next is asked."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from faulty_server import FaultyServer
from http_faults import repeats

from zoo.errors import DownloadError
from zoo.weights.by_address import fetch_address
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /good\r\n"
# What is said once, what over and over, and what is told of it.
ENDLESS = {
    "status": (b"HTTP/1.1 2", b"0", "did not answer within 1 s"),
    "header": (OK + b"X: ", b"a", "did not answer within 1 s"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "did not answer within 1 s"),
    "chunk size": (CHUNKED + b"5;", b"a", "stalled for 1 s at byte 0"),
    "trailer": (CHUNKED + b"5\r\nabcde\r\n0\r\n", b"A: b\r\n", "stalled for 1 s at byte 5"),
}


@pytest.fixture(params=["http", "https"])
def mirror(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FaultyServer]:
    """Serve the payload at /good, and let what is at /bad be set."""
    context = None
    if request.param == "https":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultyServer(files={"/good": payload}, context=context) as started:
        yield started


@pytest.fixture
def hasty(brisk: Patience) -> Patience:
    """Return a patience that tries once, for a second."""
    return replace(brisk, tries=1, stall_s=1.0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ENDLESS)
def test_fetch_of_an_answer_without_end_goes_to_the_next_address(
    mirror: FaultyServer, fetch: Fetch, target: Path, payload: bytes, hasty: Patience, what: str
) -> None:
    begin, text, reason = ENDLESS[what]
    mirror.faults["/bad"] = [repeats(begin, text, 0.1)] * 2

    with pytest.raises(DownloadError) as raised:
        fetch(f"{mirror.address}/bad", patience=hasty)
    fetch(f"{mirror.address}/bad", f"{mirror.address}/good", patience=hasty)

    assert f"  {mirror.address}/bad: {reason}" in raised.value.message
    assert payload == target.read_bytes()


@pytest.mark.timeout(60)
def test_fetch_of_a_whole_file_does_not_wait_for_its_trailer(
    mirror: FaultyServer, fetch: Fetch, target: Path, payload: bytes, brisk: Patience
) -> None:
    size = f"{len(payload):x}".encode()
    begin = CHUNKED + size + b"\r\n" + payload + b"\r\n0\r\n"
    mirror.faults["/bad"] = [repeats(begin, b"A: b\r\n", 0.1)]
    started_s = time.monotonic()

    fetch(f"{mirror.address}/bad", patience=replace(brisk, stall_s=30.0))

    assert payload == target.read_bytes()
    assert time.monotonic() - started_s < 30


@pytest.mark.timeout(60)
def test_fetch_by_a_redirect_does_not_read_its_body(
    mirror: FaultyServer, fetch: Fetch, target: Path, payload: bytes
) -> None:
    mirror.faults["/bad"] = [repeats(MOVED + b"\r\n", b"moved ", 0.1)]

    fetch(f"{mirror.address}/bad")

    assert payload == target.read_bytes()


@pytest.mark.timeout(60)
def test_fetch_of_a_slow_answer_that_ends_takes_it(
    mirror: FaultyServer, fetch: Fetch, target: Path, payload: bytes, hasty: Patience
) -> None:
    """The whole may take longer than a stall; the clock begins anew with each read."""
    mirror.bytes_s = len(payload) / 3

    fetch(f"{mirror.address}/good", patience=hasty)

    assert payload == target.read_bytes()
    assert len(mirror.asked) == 1


@pytest.mark.timeout(60)
def test_size_of_an_answer_without_end_is_not_waited_for(
    mirror: FaultyServer, hasty: Patience
) -> None:
    mirror.faults["/bad"] = [repeats(OK + b"X: ", b"a", 0.1)]

    with pytest.raises(DownloadError, match="did not answer within 1 s"):
        fetch_address(f"{mirror.address}/bad", "0" * 64, patience=hasty)


@pytest.mark.timeout(60)
def test_fetch_through_a_proxy_that_never_ends_its_answer_gives_up(
    fetch: Fetch, hasty: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says before it lets a client through is the head of an answer too."""
    with FaultyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        proxy.faults["a.example:443"] = [repeats(OK + b"X: ", b"a", 0.1)]

        with pytest.raises(DownloadError) as raised:
            fetch("https://a.example/x", patience=hasty)

    assert proxy.asked
    assert "https://a.example/x: did not answer within 1 s" in raised.value.message
