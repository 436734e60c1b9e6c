# SPDX-License-Identifier: Apache-2.0
"""One attempt at one address: the next bytes of a file, or the reason for failure.

The bytes are never decoded, and are accepted only if they can belong to the file: right length,
right range, not a web page, no weaker transport.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from zoo.weights.fetching.addresses import is_local, shown_address
from zoo.weights.fetching.answers import check_status, read_span, read_validator
from zoo.weights.fetching.asking import ask, find_place
from zoo.weights.fetching.judging import check_stated
from zoo.weights.fetching.local_files import open_local
from zoo.weights.fetching.part import Origin, Part
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.hub.answers import HubAnswer

if TYPE_CHECKING:
    import requests

__all__ = ["check_statement", "read_blocks", "receive"]

_BLOCK_BYTES = 1 << 20


def receive(
    session: requests.Session,
    address: str,
    part: Part,
    patience: Patience,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Complete a part from one address.

    Args:
        session: A session from `open_session`.
        address: An https, http, hf, github or file address.
        part: The part to resume.
        patience: Timeouts.
        progress: Called with the bytes received and the total size in bytes.

    Raises:
        Setback: It delivered less or something else; the bytes received are in the part.
        DownloadError: The part cannot be written.
    """
    read = _read_local if is_local(address) else _read_remote
    with closing(read(session, address, part, patience)) as blocks:
        for data in blocks:
            if part.received + len(data) > part.size_bytes:
                part.restart()
                reason = f"sent more than the {part.size_bytes} bytes expected"
                raise Setback(reason=reason)
            part.append(data)
            if progress is not None:
                progress(part.received, part.size_bytes)
            if part.received == part.size_bytes:
                return  # do not wait for a trailer
    if part.received < part.size_bytes:
        reason = f"closed the connection after {part.received} of {part.size_bytes} bytes"
        raise Setback(reason=reason, again=True)


def _read_local(
    session: requests.Session, address: str, part: Part, patience: Patience
) -> Generator[bytes, None, None]:
    with open_local(address) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if size_bytes != part.size_bytes:
            raise Setback(reason=f"has {size_bytes} bytes, expected {part.size_bytes}")
        stream.seek(part.received)
        while block := stream.read(_BLOCK_BYTES):
            yield block


def _read_remote(
    session: requests.Session, address: str, part: Part, patience: Patience
) -> Generator[bytes, None, None]:
    place = find_place(address)
    if part.received and not part.can_continue(address):
        part.restart()
    headers = {"Range": f"bytes={part.received}-"} if part.received else {}
    origin = part.origin
    if headers and origin is not None and origin.is_of(address) and origin.validator:
        headers["If-Range"] = origin.validator

    def look(told: HubAnswer) -> None:
        check_statement(told, part)

    response, _ = ask(session, place, headers, patience, look=look)
    with closing(response):
        _check(response, address, part)
        yield from read_blocks(response.raw, patience, lambda: part.received, part.size_bytes)


def check_statement(told: HubAnswer, part: Part) -> None:
    """Raise an error if the hub states another file than the part expects, before any bytes.

    Args:
        told: What the hub states.
        part: The part to fetch.

    Raises:
        Setback: The digest or the size differ.
    """
    if told.sha256 is not None:
        check_stated(told.sha256, part.digests, part.target.name)
    if told.size_bytes not in (None, part.size_bytes):
        reason = f"the hub states {told.size_bytes} bytes, expected {part.size_bytes}"
        raise Setback(reason=reason)


def read_blocks(
    raw: Any, patience: Patience, received: Callable[[], int], size_bytes: int
) -> Iterator[bytes]:
    """Yield bytes as soon as they arrive; a very slow server counts as stalled.

    Args:
        raw: The body of a response.
        patience: Timeouts.
        received: Returns the bytes received so far, for the message.
        size_bytes: Bytes expected, for the message.

    Raises:
        Setback: The connection stalls or is cut.
    """
    import requests
    import urllib3

    network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
    try:
        yield from _timed_blocks(raw, patience)
    except urllib3.exceptions.ReadTimeoutError as error:
        reason = f"stalled for {patience.stall_s:g} s at byte {received()}"
        raise Setback(reason=reason, again=True) from error
    except network as error:
        reason = f"closed the connection after {received()} of {size_bytes} bytes"
        raise Setback(reason=reason, again=True) from error


def _timed_blocks(raw: Any, patience: Patience) -> Iterator[bytes]:
    since_s, came_bytes = time.monotonic(), 0
    while data := raw.read1(_BLOCK_BYTES, decode_content=False):
        yield data
        came_bytes += len(data)
        now_s = time.monotonic()
        if now_s - since_s >= patience.stall_s:
            if came_bytes < patience.least_bytes_s * (now_s - since_s):
                reason = f"sends only {came_bytes / (now_s - since_s):.0f} bytes a second"
                raise Setback(reason=reason, again=True)
            since_s, came_bytes = now_s, 0


def _check(response: requests.Response, address: str, part: Part) -> None:
    """Accept a response only if its body continues or starts the file of the part."""
    status = response.status_code
    if status == 416:
        part.restart()
        raise Setback(reason="cannot resume where the part ends (416)", again=True, wait_s=0)
    check_status(response)
    origin = Origin(shown_address(address), read_validator(response))
    if status == 206:
        _check_range(response, part, origin)
    _check_length(response, part.size_bytes - (part.received if status == 206 else 0))
    if status == 200 or not part.received:
        part.restart(origin)


def _check_range(response: requests.Response, part: Part, origin: Origin) -> None:
    found = read_span(response)
    is_next = found is not None and found[0] == part.received
    is_whole = found is not None and found[2] in (None, part.size_bytes)
    before = part.origin
    is_same = before is None or before.address != origin.address
    if before is not None and not is_same:
        # Without a validator on both sides, a whole digest decides in the end.
        is_unsaid = part.is_pinned and "" in (origin.validator, before.validator)
        is_same = is_unsaid or origin == before
    if not (is_next and is_whole and is_same):
        what = response.headers.get("Content-Range", "no range") if is_same else "another file"
        expected = f"bytes {part.received}-{part.size_bytes - 1}/{part.size_bytes}"
        part.restart()
        raise Setback(reason=f"gives {what}, expected {expected}", again=True, wait_s=0)


def _check_length(response: requests.Response, wanted: int) -> None:
    told = response.headers.get("Content-Length", "")
    # As texts: Python refuses to parse numbers with thousands of digits.
    if told.isdecimal() and told.lstrip("0") != str(wanted):
        encoding = response.headers.get("Content-Encoding")
        note = f", encoded as {encoding}" if encoding else ""
        raise Setback(reason=f"offers {told:.20} bytes{note}, expected {wanted}")
