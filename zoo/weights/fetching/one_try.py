# SPDX-License-Identifier: Apache-2.0
"""One attempt at one address: the next bytes of a file, or the reason for failure.

The bytes are never decoded, and are accepted only if they can belong to the file: right length,
right range, not a web page, no weaker transport.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from zoo.weights.fetching.addresses import is_local, shown_address
from zoo.weights.fetching.answers import check_status, read_blocks, read_span, read_validator
from zoo.weights.fetching.asking import Place, ask, find_place
from zoo.weights.fetching.judging import check_stated
from zoo.weights.fetching.local_files import open_local
from zoo.weights.fetching.part import Origin, Part
from zoo.weights.fetching.ranges import Whole, read_ahead
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.hub.answers import HubAnswer

if TYPE_CHECKING:
    import requests

__all__ = ["receive"]

_BLOCK_BYTES = 1 << 20
_FIRST_BYTES = 1 << 20  # one connection is judged by them
_LEAST_RANGE_BYTES = 1 << 18


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
) -> Generator[bytes | memoryview, None, None]:
    with open_local(address) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if size_bytes != part.size_bytes:
            raise Setback(reason=f"has {size_bytes} bytes, expected {part.size_bytes}")
        stream.seek(part.received)
        while block := stream.read(_BLOCK_BYTES):
            yield block


def _read_remote(
    session: requests.Session, address: str, part: Part, patience: Patience
) -> Generator[bytes | memoryview, None, None]:
    """Yield the next bytes: by one connection, or by several after a first range that was slow."""
    if part.received and not part.can_continue(address):
        part.restart()
    place = find_place(address)
    if not _is_worth_ranges(part, patience):
        yield from _read_answer(session, place, part, patience, None)
        return
    stop = part.received + min(_FIRST_BYTES, patience.range_bytes)
    first = yield from _read_answer(session, place, part, patience, stop)
    if part.received != stop:  # the whole file came, or the range broke off
        return
    if first.bytes_s >= patience.fast_bytes_s or not first.validator:
        yield from _read_answer(session, place, part, patience, None)
        return
    # About a second each, so that little is lost of what a killed process held in memory.
    range_bytes = min(max(int(first.bytes_s), _LEAST_RANGE_BYTES), patience.range_bytes)
    whole = Whole(
        place, first.at, part.size_bytes, first.validator, partial(_check_statement, part)
    )
    yield from read_ahead(whole, part.received, replace(patience, range_bytes=range_bytes))


def _is_worth_ranges(part: Part, patience: Patience) -> bool:
    return patience.connections > 1 and part.size_bytes - part.received >= max(
        patience.ranges_from_bytes, patience.range_bytes + 1
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that was read: where it came from, its validator, and how fast."""

    at: Place
    validator: str
    bytes_s: float


def _read_answer(
    session: requests.Session, place: Place, part: Part, patience: Patience, stop: int | None
) -> Generator[bytes | memoryview, None, _Answer]:
    """Yield the bytes up to ``stop``, or to the end of the file; return what the answer was."""
    headers = {}
    if part.received or stop is not None:
        headers["Range"] = f"bytes={part.received}-{'' if stop is None else stop - 1}"
    origin = part.origin
    if part.received and origin is not None and origin.is_of(place.address) and origin.validator:
        headers["If-Range"] = origin.validator
    response, at = ask(session, place, headers, patience, look=partial(_check_statement, part))
    with closing(response):
        _check(response, place.address, part, stop)
        began_s, before = time.monotonic(), part.received
        yield from read_blocks(response.raw, patience, part.received, part.size_bytes)
        took_s = time.monotonic() - began_s
        bytes_s = (part.received - before) / max(took_s, 1e-6)
        is_weak = response.headers.get("ETag", "").startswith("W/")
        return _Answer(at, "" if is_weak else read_validator(response), bytes_s)


def _check_statement(part: Part, told: HubAnswer) -> None:
    """Raise an error if the hub states another file than the part expects, before any bytes."""
    if told.sha256 is not None:
        check_stated(told.sha256, part.digests, part.target.name)
    if told.size_bytes not in (None, part.size_bytes):
        reason = f"the hub states {told.size_bytes} bytes, expected {part.size_bytes}"
        raise Setback(reason=reason)


def _check(response: requests.Response, address: str, part: Part, stop: int | None) -> None:
    """Accept a response only if its body continues or starts the file of the part."""
    status = response.status_code
    if status == 416:
        part.restart()
        raise Setback(reason="cannot resume where the part ends (416)", again=True, wait_s=0)
    check_status(response)
    origin = Origin(shown_address(address), read_validator(response))
    end = part.size_bytes
    if status == 206:
        end = _check_range(response, part, origin, stop)
    _check_length(response, end - (part.received if status == 206 else 0))
    if status == 200 or not part.received:
        part.restart(origin)


def _check_range(response: requests.Response, part: Part, origin: Origin, stop: int | None) -> int:
    """Return where the range of a response ends, exclusive, if it may follow the part."""
    found = read_span(response)
    is_next = found is not None and found[0] == part.received
    is_whole = found is not None and found[2] in (None, part.size_bytes)
    before, last = part.origin, (part.size_bytes if stop is None else stop) - 1
    expected = f"bytes {part.received}-{last}/{part.size_bytes}"
    is_same = before is None or before.address != origin.address
    if before is not None and not is_same:
        # Without a validator on both sides, a whole digest decides in the end.
        is_unsaid = part.is_pinned and "" in (origin.validator, before.validator)
        is_same = is_unsaid or origin == before
    told = response.headers.get("Content-Range", "no range")
    if found is None or not (is_next and is_whole and is_same):
        what = told if is_same else "another file"
        part.restart()
        raise Setback(reason=f"gives {what}, expected {expected}", again=True, wait_s=0)
    if found[1] not in (last, part.size_bytes - 1):
        raise Setback(reason=f"gives {told}, expected {expected}")
    return found[1] + 1


def _check_length(response: requests.Response, wanted: int) -> None:
    told = response.headers.get("Content-Length", "")
    # As texts: Python refuses to parse numbers with thousands of digits.
    if told.isdecimal() and told.lstrip("0") != str(wanted):
        encoding = response.headers.get("Content-Encoding")
        note = f", encoded as {encoding}" if encoding else ""
        raise Setback(reason=f"offers {told:.20} bytes{note}, expected {wanted}")
