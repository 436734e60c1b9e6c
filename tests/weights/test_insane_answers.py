# SPDX-License-Identifier: Apache-2.0
"""Answers that no sane server gives: numbers that are none, torn HTTP, and words for a terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import Fault, FaultyServer, Handler
from http_faults import answers, cuts, redirects, states_range

from zoo.errors import DownloadError
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
SIZE = 300_000
DIGITS = "9" * 5000  # Python reads no number of more than 4,300


def _set(server: FaultyServer, *faults: Fault | None) -> None:
    server.faults["/unet.safetensors"] = list(faults)


def _says(text: bytes) -> Fault:
    """Answer with these bytes, whatever HTTP would have them be."""
    return lambda handler: handler.wfile.write(text) and None


def _states(length: str, *, body: bool = True) -> Fault:
    """Answer 200 with this Content-Length and the right body."""

    def act(handler: Handler) -> None:
        handler.head(200, {"Content-Length": length})
        handler.body(handler.data if body else b"")

    return act


def test_fetch_of_a_length_with_leading_zeros_takes_it(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes
) -> None:
    """It is the same number."""
    _set(server, _states(f"000{SIZE}"))

    assert payload == fetch(address).read_bytes()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (_states(DIGITS, body=False), "offers 99999999999999999999 bytes, expected 300000"),
        (answers(503, Retry_After=DIGITS), "answers 503 and asks for a wait of inf s"),
        (redirects("http://[::1/unet"), "cannot be requested (Invalid IPv6 URL)"),
        (redirects("http://127.0.0.1:99999/unet"), "cannot be requested (Failed to parse"),
        (redirects("ftp://a/\x1b[2J"), "redirects from http to ftp://a/?[2J"),
        (answers(204, Content_Type="text/html" + "\x1b" * 9000), "cannot be used (204)"),
    ],
    ids=["length", "wait", "redirect: no host", "redirect: port", "redirect: escape", "type"],
)
def test_fetch_of_an_answer_that_is_nonsense_is_refused_at_once(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, fault: Fault, reason: str
) -> None:
    """One message in plain characters; nothing is left but the lock."""
    _set(server, *[fault] * 9)

    with pytest.raises(DownloadError) as raised:
        fetch(address)

    assert f"  {address}: {reason}" in raised.value.message
    assert raised.value.message.replace("\n", "").isprintable()
    assert len(raised.value.message) < 1000
    assert len(server.asked) == 1
    assert os.listdir(target.parent) == [f".{target.name}.lock"]


@pytest.mark.parametrize("asked", [f"Mon, 01 Jan {10**30} 00:00:00 GMT", "soon", "-5", "1e9", "٣"])
def test_fetch_when_asked_to_wait_for_no_time_tries_again_by_its_own(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes, brisk: Patience, asked: str
) -> None:
    """A year of 31 digits is too large for Python's dates."""

    def busy(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n")
        handler.wfile.write(f"Retry-After: {asked}\r\n\r\n".encode())

    _set(server, busy)
    started_s = time.monotonic()

    assert payload == fetch(address, patience=replace(brisk, longest_wait_s=60)).read_bytes()

    assert time.monotonic() - started_s < 60


@pytest.mark.parametrize(
    "text",
    [f"bytes 100000-{DIGITS}/{DIGITS}", f"bytes {DIGITS}-299999/300000", "bytes \x1b]0;x\x07"],
    ids=["end", "start", "escape"],
)
def test_fetch_when_a_range_has_insane_numbers_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes, text: str
) -> None:
    _set(server, cuts(100_000), states_range(text, 100_000))

    assert payload == fetch(address).read_bytes()
    assert [asked.start for asked in server.asked] == [0, 100_000, 0]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00" * 100,
        b"HTTP/1.1 99999999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        *("nothing", "ssh", "tls", "status", "headers", "long header"),
        *("chunk of no size", "huge chunk", "chunk below nothing", "redirect to nowhere"),
    ],
)
def test_fetch_when_http_is_torn_goes_to_the_next_address(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes, text: bytes
) -> None:
    """Whatever the first answers, the second gives the file, and the reason is told in one line."""
    server.files["/good"] = payload
    _set(server, *[_says(text)] * 9)

    fetch(address, f"{server.address}/good")
    target.unlink()
    with pytest.raises(DownloadError) as raised:
        fetch(address)

    assert raised.value.message.startswith(
        "cannot download unet.safetensors: all addresses failed."
    )
    assert raised.value.message.replace("\n", "").isprintable()
    assert raised.value.message.count("\n") == 1
