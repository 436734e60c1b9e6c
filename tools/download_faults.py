# SPDX-License-Identifier: Apache-2.0
"""A matrix of the faults that a download can meet; each cell must end as required.

A cell is a fault, the requests that it affects, the state that an earlier run left, and whether
there is a mirror. The required outcome is the complete file, or one error and nothing under the
final name, within a limit of requests and seconds.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import http_faults as bad
from faulty_server import Fault, FaultyServer, Handler

from zoo.errors import DownloadError
from zoo.weights import fetch_file
from zoo.weights.fetching.setbacks import Patience

__all__ = ["FAULTS", "REFUSED_RANGES", "Cell", "Outcome", "cells", "range_cells", "run_cell"]

SIZE = 200_000
CUT = 1 << 16  # bytes after which a server closes; also the least that counts as progress
KEPT = 80_000  # bytes that an earlier run left
NAME = "unet.safetensors"
PATIENCE = Patience(
    tries=3, first_wait_s=0.005, longest_wait_s=0.5, connect_s=2, stall_s=0.3, least_bytes_s=1000
)
LIMIT_S = 30.0
# Per URL: its tries, starting again after each progress, and all of them once more if the bytes of
# two answers were mixed; each with as many redirects as are followed.
RANGES = replace(
    PATIENCE, connections=4, ranges_from_bytes=1, range_bytes=1 << 14, fast_bytes_s=1e18
)
MOST_ASKED = 2 * PATIENCE.tries * (1 + SIZE // CUT)
REDIRECTS = 6


def _says(text: bytes) -> Fault:
    def say(handler: Handler) -> None:
        handler.wfile.write(text)

    return say


def _part(
    text: str | None, *, start: int | None = None, etag: bool = False, kind: str | None = None
) -> Fault:
    """Answer 206 with this range or none, and the bytes from ``start`` or the requested start."""

    def act(handler: Handler) -> None:
        at = handler.asked.start
        rest = handler.data[at if start is None else start :]
        headers = {"Content-Length": str(len(rest))}
        if text is not None:
            headers["Content-Range"] = text.format(at=at, last=SIZE - 1, size=SIZE)
        if etag:
            headers["ETag"] = f'"{time.monotonic_ns()}"'
        handler.head(206, headers | ({"Content-Type": kind} if kind else {}))
        handler.body(rest)

    return act


def _cuts_the_whole(handler: Handler) -> None:
    handler.head(200, {"Content-Length": str(SIZE), "ETag": handler.etag})
    handler.body(handler.data[:CUT])


def _moves_on(handler: Handler) -> None:
    bad.redirects(f"{handler.path}x")(handler)


REFUSED_RANGES: dict[str, Fault] = {
    "416": bad.answers(416),
    "416 with the size": bad.answers(416, Content_Range=f"bytes */{SIZE}"),
    "a range of another start": _part("bytes 5-{last}/{size}", start=5),
    "a range from the start": _part("bytes 0-{last}/{size}", start=0),
    "a range of another size": _part("bytes {at}-{last}/999999"),
    "206 without a range": _part(None),
    "206 with a range that is none": _part("pages 1-2"),
    "206 with a range of digits": _part("bytes " + "9" * 5000 + "-1/2"),
    "206 in several parts": _part(None, kind="multipart/byteranges; boundary=x"),
    "a new ETag each time": _part("bytes {at}-{last}/{size}", etag=True),
}
PASSING: dict[str, Fault] = {
    "ranges ignored, and cut": _cuts_the_whole,
    "a little at a time": lambda handler: handler.serve(1000),
    **{f"status {code}": bad.answers(code) for code in (408, 425, 429, 500, 502, 503, 504)},
    "status 503 for a while": bad.answers(503, Retry_After="0"),
    "status 503 until no date": bad.answers(503, Retry_After="soon"),
    "chunks without an end": bad.chunked(CUT),
    "cut": bad.cuts(CUT),
    "cut before a byte": bad.cuts(0),
    "reset": bad.resets(CUT),
    "hung up": _says(b""),
    "right length, short body": bad.states_length(SIZE, b"x" * 1000),
}
FINAL: dict[str, Fault] = {
    **{f"status {code}": bad.answers(code) for code in (204, 301, 304, 400, 401, 403, 404, 410)},
    **{f"status {code}": bad.answers(code) for code in (418, 451, 501, 505, 999)},
    "status 503 for ever": bad.answers(503, Retry_After="999999"),
    "redirected to itself": lambda handler: bad.redirects(handler.path)(handler),
    "redirected without end": _moves_on,
    "redirected to ftp": bad.redirects("ftp://127.0.0.1/x"),
    "redirected to a file": bad.redirects("file:///etc/passwd"),
    "redirected to no address": bad.redirects("http://[::1/x"),
    "a web page": bad.sends_a_page,
    "compressed": bad.encodes,
    "other bytes": bad.gives_other_bytes,
    "a length too short": bad.states_length(1000, b"x" * 1000),
    "a length too long": bad.states_length(SIZE + 1, b"x" * (SIZE + 1)),
    "a length of digits": bad.states_length(10**40, b""),
    "no length, too short": bad.states_length(None, b"x" * 1000),
    "no length, too long": bad.states_length(None, b"x" * (SIZE + 70_000)),
    "chunks that are none": _says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "another protocol": _says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "noise": _says(bytes(range(256)) * 8),
}
SLOW: dict[str, Fault] = {
    "stalled": bad.stalls(CUT),
    "stalled before a byte": bad.stalls(0),
    "dripping": bad.drips(0.02),
    "no answer": lambda handler: handler.hold(),
    "a head without end": bad.repeats(b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.02),
}
FAULTS: dict[str, Fault] = {**REFUSED_RANGES, **PASSING, **FINAL, **SLOW}
MOMENTS = ("always", "after a cut", "after each cut", "once")
LEFT = ("nothing", "a part", "a part and its origin", "other bytes", "as many other bytes", "more")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        fault: One of `FAULTS`.
        moment: One of `MOMENTS`: the requests with the fault.
        left: One of `LEFT`: the state that an earlier run left.
        has_mirror: Whether a correct mirror follows the faulty URL.
        in_ranges: Whether the file comes in ranges over several connections.
    """

    fault: str
    moment: str = "always"
    left: str = "nothing"
    has_mirror: bool = False
    in_ranges: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        mirror = ", with a mirror" if self.has_mirror else ""
        ranges = ", in ranges" if self.in_ranges else ""
        return f"{self.fault}, {self.moment}; {self.left} left{mirror}{ranges}"

    @property
    def must_succeed(self) -> bool:
        """Whether the file is obtainable, so that errors are not acceptable."""
        passes = self.fault in {**REFUSED_RANGES, **PASSING, **SLOW}
        return self.has_mirror or (passes and self.moment == "once")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a cell.

    Attributes:
        cell: The cell.
        is_right: Whether the file is complete and correct.
        error: The message otherwise.
        asked: Number of requests to the faulty URL.
        seconds: Duration.
        wrong: The requirement that is not met, or None.
    """

    cell: Cell
    is_right: bool
    error: str
    asked: int
    seconds: float
    wrong: str | None


def cells() -> Iterator[Cell]:
    """Yield the matrix: each fault at each moment and after each state of an earlier run."""
    for fault, moment, has_mirror in product(FAULTS, MOMENTS, (False, True)):
        yield Cell(fault, moment, has_mirror=has_mirror)
    for fault, left in product({**REFUSED_RANGES, **PASSING, **FINAL}, LEFT[1:]):
        yield Cell(fault, left=left)


def range_cells() -> Iterator[Cell]:
    """Yield each fault in each moment of a file that comes in ranges."""
    for fault, moment, has_mirror in product(FAULTS, MOMENTS, (False, True)):
        yield Cell(fault, moment, has_mirror=has_mirror, in_ranges=True)
    for fault in FAULTS:
        yield Cell(fault, "after some ranges", in_ranges=True)


def run_cell(cell: Cell, server: FaultyServer, folder: Path) -> Outcome:
    """Download a file under the conditions of a cell.

    Args:
        cell: The cell.
        server: Serves the file under separate paths for this cell.
        folder: Empty folder for this cell, with a unique name.
    """
    path, mirror = f"/{folder.name}/{NAME}", f"/{folder.name}/mirror/{NAME}"
    data = random.Random(str(cell)).randbytes(SIZE)
    server.files |= {path: data, mirror: data}
    fault, cut = FAULTS[cell.fault], bad.cuts(CUT)
    met: dict[str, list[Fault | None]] = {
        "always": [fault] * 300,
        "after a cut": [cut, *[fault] * 300],
        "after each cut": [cut, fault] * 150,
        "once": [fault],
        "after some ranges": [*[None] * 5, *[fault] * 300],
    }
    server.faults[path] = met[cell.moment]
    for extra in range(1, 9):
        server.faults[path + "x" * extra] = [fault] * 300
    _leave(cell, data, folder / NAME, f"{server.address}{path}")
    addresses = [server.address + one for one in ((path, mirror) if cell.has_mirror else (path,))]
    since_s, error = time.monotonic(), ""
    sha256, patience = hashlib.sha256(data).hexdigest(), RANGES if cell.in_ranges else PATIENCE
    try:
        fetch_file(folder / NAME, sha256, SIZE, addresses, patience=patience)
    except DownloadError as raised:
        error = str(raised)
    seconds = time.monotonic() - since_s
    asked = sum(request.path.rstrip("x") == path for request in list(server.asked))
    target = folder / NAME
    is_right = target.is_file() and target.read_bytes() == data
    wrong = _wrong(cell, is_right, target.exists(), error, asked, seconds)
    return Outcome(cell, is_right, error, asked, seconds, wrong)


def _leave(cell: Cell, data: bytes, target: Path, address: str) -> None:
    other = bytes(value ^ 0xFF for value in data)
    left = {
        "nothing": None,
        "a part": data[:KEPT],
        "a part and its origin": data[:KEPT],
        "other bytes": other[:KEPT],
        "as many other bytes": other,
        "more": data + b"x",
    }[cell.left]
    if left is None:
        return
    target.with_name(f"{NAME}.part").write_bytes(left)
    if cell.left == "a part and its origin":
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        note = json.dumps({"address": address, "validator": etag})
        target.with_name(f"{NAME}.part.json").write_text(note)


def _wrong(
    cell: Cell, is_right: bool, is_there: bool, error: str, asked: int, seconds: float
) -> str | None:
    ranges = SIZE // RANGES.range_bytes + 1
    most = MOST_ASKED + (2 * PATIENCE.tries * ranges if cell.in_ranges else 0)
    most *= REDIRECTS if cell.fault == "redirected without end" else 1
    if is_there and not is_right:
        return "another file lies under the final name"
    if is_right == bool(error):
        return "neither the file nor an error" if not is_right else "the file and an error"
    if cell.must_succeed and not is_right:
        return f"it could be had: {error}"
    if asked > most:
        return f"{asked} requests, expected at most {most}"
    if seconds > LIMIT_S:
        return f"{seconds:.0f} s, expected at most {LIMIT_S:.0f}"
    if error and not error.replace("\n", "").isprintable():
        return f"a message that steers the terminal: {error!r}"
    return None
