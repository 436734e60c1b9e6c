# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on loopback that misbehaves on purpose, for tests and for the drill.

It serves bytes from memory with ranges, ETags and If-Range. Each request to a path takes the next
of the faults set for the path (`http_faults` has them); after the last one, the server behaves
correctly.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["LONGEST_S", "Asked", "Fault", "FaultyServer", "Handler"]

LONGEST_S = 60.0  # longest time that a request is held
_BLOCK_BYTES = 1 << 16
_BLOCK_S = 0.02  # how often a slow server sends

Fault = Callable[["Handler"], None]


@dataclass(slots=True)
class Asked:
    """One request.

    Attributes:
        path: What was asked for.
        headers: With lower-case names.
        start: Where the range began, 0 without one.
        stop: Where the range ended, exclusive, or None for the end of the file.
        sent_bytes: How many bytes of the body were written.
        method: ``GET`` or ``HEAD``.
        target: The path with its query.
    """

    path: str
    headers: dict[str, str]
    start: int
    stop: int | None = None
    sent_bytes: int = 0
    method: str = "GET"
    target: str = ""


@dataclass(slots=True)
class FaultyServer:
    """Serves ``files`` on 127.0.0.1 while it is entered as a context.

    Attributes:
        files: Path -> bytes.
        context: Certificate and key to serve https with, or None for http.
        bytes_s: The most that one request gets in a second, or None for all at once.
        faults: Path -> what the next requests to it meet, in order; None is good behaviour.
        asked: Every request so far.
        admits: Returns whether to serve a request, else 403; None serves all. If it is set, paths
            are matched without their query.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    bytes_s: float | None = None
    faults: defaultdict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)
    admits: Callable[[Handler], bool] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    _server: Any = None
    _thread: Any = None

    def __enter__(self) -> Self:
        server = _Server(("127.0.0.1", 0), Handler)
        server.owner = self
        if self.context is not None:
            server.socket = self.context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Return the server's address, without a slash at the end."""
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_port}"


class _Server(ThreadingHTTPServer):
    owner: FaultyServer
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing, as clients are expected to hang up or to be killed."""


class Handler(BaseHTTPRequestHandler):
    """Answer a request with the next fault of its path, or correctly."""

    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        target = self.path
        if owner.admits is not None:
            self.path = target.partition("?")[0]
        start, stop = (int(found[1]), found[2]) if found else (0, "")
        self.asked = Asked(self.path, headers, start, int(stop) + 1 if stop else None)
        self.asked.method, self.asked.target = self.command, target
        owner.asked.append(self.asked)
        faults = owner.faults[self.path]
        fault = faults.pop(0) if faults else None
        self.close_connection = True
        if fault is not None:
            fault(self)
        elif owner.admits is not None and not owner.admits(self):
            self.head(403, {"Content-Type": "application/xml", "Content-Length": "0"})
        elif self.path in owner.files:
            self.serve()
        else:
            self.head(404, {"Content-Length": "0"})

    do_HEAD = do_GET
    do_CONNECT = do_GET  # a proxy request has a host and a port instead of a path

    @property
    def data(self) -> bytes:
        """Return the bytes of the path."""
        return self.server.owner.files[self.path]

    @property
    def etag(self) -> str:
        """Return a strong ETag of the bytes."""
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'

    def serve(self, upto: int | None = None) -> None:
        """Answer correctly, but send at most ``upto`` bytes of the body.

        Args:
            upto: Bytes of the body to send, or None for all.
        """
        data, asked = self.data, self.asked
        is_same = asked.headers.get("if-range", self.etag) == self.etag
        start = asked.start if is_same else 0
        stop = min(asked.stop or len(data), len(data)) if is_same else len(data)
        headers = {"ETag": self.etag, "Accept-Ranges": "bytes"}
        if start >= len(data) > 0:
            self.head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        status = 206 if start or stop < len(data) else 200
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        self.head(status, {**headers, "Content-Length": str(stop - start)})
        self.body(memoryview(data)[start:stop][:upto])

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and the headers.

        Args:
            status: HTTP status.
            headers: Headers of the answer.
        """
        self.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes | memoryview) -> None:
        """Send bytes, at the server's pace.

        Args:
            data: Bytes to send.
        """
        if self.command == "HEAD":
            return
        pace = self.server.owner.bytes_s
        size = _BLOCK_BYTES if pace is None else max(1, min(_BLOCK_BYTES, int(pace * _BLOCK_S)))
        for begin in range(0, len(data), size):
            block = data[begin : begin + size]
            self.wfile.write(block)
            self.asked.sent_bytes += len(block)
            if pace is not None and self.server.owner.stopped.wait(len(block) / pace):
                return

    def hold(self) -> None:
        """Do nothing until the server stops, or for a minute."""
        self.server.owner.stopped.wait(LONGEST_S)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
