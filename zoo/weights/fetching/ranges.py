# SPDX-License-Identifier: Apache-2.0
"""The rest of a file over several connections, in order: each fetches the next range ahead.

Ranges that came early wait in memory, at most a few of them, so that the unfinished file on disk
is always the first bytes of the file: whatever kills the process, it claims no byte that it lacks,
and the digest grows with it. What was ahead is lost then, some tens of MB at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.weights.fetching.answers import check_status, read_blocks, read_span, read_validator
from zoo.weights.fetching.asking import Place, ask
from zoo.weights.fetching.session import open_session
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.fetching.waiting import wait_for_next_try
from zoo.weights.hub.answers import HubAnswer

if TYPE_CHECKING:
    import requests

__all__ = ["Whole", "read_ahead"]

_SPARE = 2  # ranges that may wait beside those under way, so that no connection waits for another
_PROGRESS_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
_READ_BYTES = 1 << 16  # a block for each connection, on top of the ranges
_LOOK_S = 1.0
_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Whole:
    """The file of which ranges are fetched.

    Attributes:
        home: Where to ask first, and again when a redirect has expired.
        at: Where the first range came from after redirects.
        size_bytes: Size of the file.
        validator: ETag or date that each range must carry.
        look: Checks what a hub states.
    """

    home: Place
    at: Place
    size_bytes: int
    validator: str
    look: Callable[[HubAnswer], None]


def read_ahead(whole: Whole, start: int, patience: Patience) -> Generator[memoryview, None, None]:
    """Yield the bytes of a file from ``start`` to its end, fetched by several connections.

    Each block is valid until the next is asked for.

    A range that breaks off is continued alone. What cannot be mended, such as a server that has
    too many requests, a file that changed, or ranges that are ignored, ends all of them.

    Args:
        whole: The file.
        start: First byte.
        patience: Timeouts, number of attempts, connections, and length of a range.

    Raises:
        Setback: Several connections do not work; one may.
    """
    ahead = _Ahead(whole, start, patience)
    try:
        ahead.start()
        yield from ahead.blocks()
    finally:
        ahead.stop()


class _Ahead:
    """Connections that fetch ranges, and what they have fetched."""

    def __init__(self, whole: Whole, start: int, patience: Patience) -> None:
        self._whole, self._patience, self._at = whole, patience, whole.at
        self._starts = range(start, whole.size_bytes, patience.range_bytes)
        self._changed = threading.Condition()
        self._claimed = self._taken = 0
        self._ready: dict[int, tuple[bytearray, int]] = {}
        self._spare: list[bytearray] = []  # used again, so that memory stays flat
        self._failure: Exception | None = None
        self._is_stopped = False
        self._open: set[requests.Response] = set()
        self._count = min(patience.connections, len(self._starts))
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start as many connections as the system gives threads for."""
        for _ in range(self._count):
            # A daemon: a thread that waits for a server must not keep a finished process alive.
            thread = threading.Thread(target=self._work, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads for this user
                break
            self._threads.append(thread)
        if not self._threads:
            reason = "cannot be asked over several connections: no thread can be started"
            raise Setback(reason=reason, again=True, wait_s=0, is_crowded=True)

    def blocks(self) -> Iterator[memoryview]:
        """Yield the bytes in order; each is valid until the next is asked for.

        Raises the failure of a range after all that came before it.
        """
        for number in range(len(self._starts)):
            with self._changed:
                while number not in self._ready:
                    if self._failure is not None:
                        raise self._failure
                    self._changed.wait(_LOOK_S)
                buffer, count = self._ready.pop(number)
            data = memoryview(buffer)[:count]
            for begin in range(0, count, _BLOCK_BYTES):
                yield data[begin : begin + _BLOCK_BYTES]
            with self._changed:
                self._spare.append(buffer)
                self._taken += 1
                self._changed.notify_all()

    def stop(self) -> None:
        """End the connections; those that cannot be ended at once end by themselves."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
            for response in self._open:
                with suppress(Exception):  # it is being closed at this moment
                    response.raw.shutdown()
        until_s = time.monotonic() + _END_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        """Fetch one range after the other, in a thread."""
        try:
            with open_session() as session:
                while (number := self._claim()) is not None:
                    fetched = self._fetch(session, self._starts[number])
                    with self._changed:
                        self._ready[number] = fetched
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - raised in the thread that takes the bytes
            with self._changed:
                self._failure = self._failure or error
                self._is_stopped = True
                self._changed.notify_all()

    def _claim(self) -> int | None:
        """Return the number of the next range to fetch, or None at the end."""
        with self._changed:
            while self._claimed - self._taken >= self._count + _SPARE and not self._is_stopped:
                self._changed.wait(_LOOK_S)
            if self._is_stopped or self._claimed == len(self._starts):
                return None
            self._claimed += 1
            return self._claimed - 1

    def _fetch(self, session: requests.Session, start: int) -> tuple[bytearray, int]:
        """Return a buffer with one range and its length; continue where it breaks off."""
        stop = min(start + self._patience.range_bytes, self._whole.size_bytes)
        buffer = self._buffer()
        data = memoryview(buffer)
        tries, got = 0, start
        while got < stop:
            before = got
            try:
                for block in self._read(session, got, stop):
                    if got + len(block) > stop:
                        reason = "sent more bytes than the range has"
                        raise Setback(reason=reason)
                    data[got - start : got - start + len(block)] = block
                    got += len(block)
                if got < stop:
                    reason = f"closed the connection at byte {got}"
                    raise Setback(reason=reason, again=True)
            except Setback as setback:
                tries = 1 if got >= before + _PROGRESS_BYTES else tries + 1
                self._mend(setback, tries)
        return buffer, stop - start

    def _buffer(self) -> bytearray:
        with self._changed:
            if self._spare:
                return self._spare.pop()
        return bytearray(self._patience.range_bytes)

    def _mend(self, setback: Setback, tries: int) -> None:
        """Wait before the next attempt at a range, or give up several connections."""
        with self._changed:
            self._at = self._whole.home  # a signed address may have expired
            is_over = self._is_stopped
        try:
            if is_over or setback.is_crowded:
                raise setback
            wait_for_next_try(setback, self._whole.home.address, tries, self._patience)
        except Setback as last:
            wait_s = last.wait_s or 0.0
            raise Setback(reason=last.reason, again=True, wait_s=wait_s, is_crowded=True) from last

    def _read(self, session: requests.Session, start: int, stop: int) -> Iterator[bytes]:
        with self._changed:
            place = self._at
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        response, at = ask(session, place, headers, self._patience, look=self._whole.look)
        with closing(response), self._registered(response):
            self._check(response, start, stop)
            with self._changed:
                self._at = at
            size_bytes = self._whole.size_bytes
            yield from read_blocks(response.raw, self._patience, start, size_bytes, _READ_BYTES)

    @contextmanager
    def _registered(self, response: requests.Response) -> Iterator[None]:
        """Let `stop` end the reading of a response."""
        with self._changed:
            self._open.add(response)
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(response)

    def _check(self, response: requests.Response, start: int, stop: int) -> None:
        """Accept a response only if it is the wanted range of the same file."""
        check_status(response)
        told = response.headers.get("Content-Range", "no range")
        span = read_span(response)
        is_range = span is not None and span[:2] == (start, stop - 1)
        if response.status_code != 206 or not is_range:
            raise Setback(reason=f"gives {told}, expected bytes {start}-{stop - 1}")
        is_whole = span is not None and span[2] in (None, self._whole.size_bytes)
        if not is_whole or read_validator(response) != self._whole.validator:
            raise Setback(reason="gives another file than before")
