# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 with limits that uvicorn leaves to a proxy: slow clients, many connections."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from zoo_service.problems import FIXED_HEADERS, MEDIA_TYPE, problem_body

__all__ = ["BoundedProtocol"]

_MOST_CONNECTIONS = 500
# A client that is answered may send the rest of its body this long: only then does it read.
_REST_S = 2.0


class BoundedProtocol(H11Protocol):
    """uvicorn's own protocol; clients have limited times, and connections are counted.

    Attributes:
        header_s: Time of a header, from its connection or its first byte.
        answer_s: Time to take an answer, or what of it the system does not hold.
    """

    header_s = 10.0
    answer_s = 60.0
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header, or refuse the connection.

        Args:
            transport: The connection.
        """
        super().connection_made(transport)
        # pause_writing hears of every byte that waits for its client, also after a close.
        transport.set_write_buffer_limits(0)
        if len(self.connections) > _MOST_CONNECTIONS:
            detail = f"there are more than {_MOST_CONNECTIONS} connections."
            self._refuse(503, detail, [(b"retry-after", b"1")])
        else:
            self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection.

        Args:
            exc: Why it was lost, or None.
        """
        self._stop_timer()
        self._forget_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client its time to read what waits for it."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read, and nothing waits."""
        self._forget_unread()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Go on with the next request; a body that still comes has its time from here."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(_REST_S, self._drop_rest, self.cycle)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a header that they begin has its time from here.

        Args:
            data: What the client sends.
        """
        if self.conn.their_state is h11.IDLE and self._timer is None:
            self._wait_for_header()
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # bytes behind a finished or a broken request
            self.transport.close()
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, if an answer is still possible.

        Args:
            msg: uvicorn's message.
        """
        if getattr(sys.exception(), "error_status_hint", 400) == 431:
            self._refuse(431, "the header is too large.")
        else:
            self._refuse(400, "the request is not valid HTTP/1.1.")

    def _wait_for_header(self) -> None:
        self._timer = self.loop.call_later(self.header_s, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _drop_rest(self, cycle: object) -> None:
        if self.cycle is cycle and self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, f"the header did not arrive within {self.header_s:g} s.")

    def _refuse(
        self, status: int, detail: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        body = problem_body(status, detail)
        fixed: list[tuple[Any, Any]] = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *((name.lower().encode(), value.encode()) for name, value in FIXED_HEADERS.items()),
        ]
        try:
            response = h11.Response(status_code=status, headers=[*fixed, *(headers or [])])
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # an answer has begun
        self.transport.close()
