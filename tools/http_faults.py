# SPDX-License-Identifier: Apache-2.0
"""What a bad server, proxy or line does to an answer: each is a `Fault` of `faulty_server`."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import time

from faulty_server import LONGEST_S, Fault, Handler

__all__ = [
    "answers",
    "chunked",
    "cuts",
    "drips",
    "encodes",
    "gives_other_bytes",
    "ignores_ranges",
    "redirects",
    "repeats",
    "resets",
    "sends_a_page",
    "stalls",
    "states_length",
    "states_range",
]


def answers(status: int, **headers: str) -> Fault:
    """Answer a status without a body; header names have ``_`` for ``-``.

    Args:
        status: HTTP status.
        **headers: Headers of the answer.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.head(status, {"Content-Length": "0", **named})


def cuts(after: int) -> Fault:
    """Close the connection after some bytes of the body.

    Args:
        after: Bytes of the body sent before.
    """
    return lambda handler: handler.serve(after)


def resets(after: int) -> Fault:
    """Reset the connection after some bytes of the body.

    Args:
        after: Bytes of the body sent before.
    """

    def act(handler: Handler) -> None:
        handler.serve(after)
        handler.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(handler.connection.detach())  # at once, without a regular shutdown

    return act


def stalls(after: int) -> Fault:
    """Send some bytes of the body, then nothing.

    Args:
        after: Bytes of the body sent before.
    """

    def act(handler: Handler) -> None:
        handler.serve(after)
        handler.wfile.flush()
        handler.hold()

    return act


def drips(every_s: float) -> Fault:
    """Send the body byte by byte.

    Args:
        every_s: Seconds between bytes.
    """

    def act(handler: Handler) -> None:
        data, until_s = handler.data, time.monotonic() + LONGEST_S
        handler.head(200, {"Content-Length": str(len(data))})
        for value in data:
            handler.wfile.write(bytes([value]))
            handler.wfile.flush()
            if handler.server.owner.stopped.wait(every_s) or time.monotonic() > until_s:
                return

    return act


def repeats(begin: bytes, text: bytes, every_s: float) -> Fault:
    """Send ``begin``, then ``text`` endlessly, without a long wait.

    Args:
        begin: First bytes.
        text: Repeated bytes.
        every_s: Seconds between repeats.
    """

    def act(handler: Handler) -> None:
        until_s = time.monotonic() + LONGEST_S
        handler.wfile.write(begin)
        while time.monotonic() < until_s:
            handler.wfile.write(text)
            if handler.server.owner.stopped.wait(every_s):
                return

    return act


def ignores_ranges(handler: Handler) -> None:
    """Answer 200 with the whole body, ignoring a range.

    Args:
        handler: Handler of the request.
    """
    handler.head(200, {"Content-Length": str(len(handler.data)), "ETag": handler.etag})
    handler.body(handler.data)


def states_range(text: str, start: int = 0) -> Fault:
    """Answer 206 with this Content-Range, and the body from ``start`` on.

    Args:
        text: Content-Range.
        start: First byte of the body.
    """

    def act(handler: Handler) -> None:
        rest = handler.data[start:]
        handler.head(206, {"Content-Range": text, "Content-Length": str(len(rest))})
        handler.body(rest)

    return act


def states_length(length: int | None, body: bytes) -> Fault:
    """Answer 200 with this Content-Length, or none, and this body.

    Args:
        length: Content-Length, or None.
        body: The body.
    """

    def act(handler: Handler) -> None:
        handler.head(200, {} if length is None else {"Content-Length": str(length)})
        handler.body(body)

    return act


def gives_other_bytes(handler: Handler) -> None:
    """Answer with the same number of bytes, each different.

    Args:
        handler: Handler of the request.
    """
    other = bytes(value ^ 0xFF for value in handler.data)
    handler.head(200, {"Content-Length": str(len(other))})
    handler.body(other)


def encodes(handler: Handler) -> None:
    """Answer with a compressed body, although identity was requested.

    Args:
        handler: Handler of the request.
    """
    body = gzip.compress(handler.data)
    handler.head(200, {"Content-Encoding": "gzip", "Content-Length": str(len(body))})
    handler.body(body)


def chunked(upto: int | None = None) -> Fault:
    """Answer in chunks, without a length; with ``upto``, end before the last chunk.

    Args:
        upto: Bytes to send, or None for all.
    """

    def act(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, {"Transfer-Encoding": "chunked"})
        data = handler.data[:upto]
        for begin in range(0, len(data), 1000):
            block = data[begin : begin + 1000]
            handler.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        if upto is None:
            handler.wfile.write(b"0\r\n\r\n")

    return act


def sends_a_page(handler: Handler) -> None:
    """Answer 200 with a web page, as the parked domain of a lapsed host does.

    Args:
        handler: Handler of the request.
    """
    page = b"<!doctype html><title>This domain is for sale</title>"
    handler.head(
        200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
    )
    handler.body(page)


def redirects(location: str, status: int = 302) -> Fault:
    """Redirect to another address.

    Args:
        location: Target of the redirect.
        status: HTTP status.
    """
    return answers(status, Location=location)
