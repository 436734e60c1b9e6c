# SPDX-License-Identifier: Apache-2.0
"""Whether a response can contain a file or a range of it, and its body as it arrives."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.fetching.setbacks import Patience, Setback

if TYPE_CHECKING:
    import requests

__all__ = [
    "Span",
    "check_status",
    "read_blocks",
    "read_length",
    "read_span",
    "read_validator",
]

_BLOCK_BYTES = 1 << 20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # temporary failures
_NOT_HERE = {401: "needs a login", 403: "refuses access", 404: "not found", 410: "gone"}
_PAGES = ("text/html", "application/xhtml")
_SIZE = re.compile(r"[0-9]{1,18}")  # limits the number of digits
_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_LIMIT = re.compile(r";\s*r=0\s*;\s*t=([0-9]{1,9})")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")

Span = tuple[int, int, int | None]
"""First byte, last byte and size of the whole file, which the server may not know."""


def check_status(response: requests.Response) -> None:
    """Accept a response only if it seems to contain the file.

    Args:
        response: A response, whose body was not read.

    Raises:
        Setback: The server refuses the file, is busy, or sends a web page.
    """
    status = response.status_code
    if status in _PASSING:
        wait_s, is_crowded = _asked_wait_s(response), status == 429
        reason = f"answers {status}"
        raise Setback(reason=reason, again=True, wait_s=wait_s, is_crowded=is_crowded)
    if status not in (200, 206):
        reason = f"{_NOT_HERE.get(status, 'cannot be used')} ({status})"
        raise Setback(reason=reason, is_absent=status == 404)
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith(_PAGES):
        page = kind.partition(";")[0]
        raise Setback(reason=f"answers with a web page ({page}), expected the file")


def read_length(response: requests.Response) -> int | None:
    """Return the length of the body that a response states, or None.

    Args:
        response: A response.

    Raises:
        Setback: The body is encoded, so its length is not that of the file.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise Setback(reason=f"encodes the file as {encoding}, so its size is unknown")
    told = response.headers.get("Content-Length", "").strip()
    return int(told) if _SIZE.fullmatch(told) else None


def read_span(response: requests.Response) -> Span | None:
    """Return the range that a response states, or None.

    Args:
        response: A response.
    """
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        return None
    return int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])


def read_validator(response: requests.Response) -> str:
    """Return the validator by which a server identifies these bytes, or an empty text.

    Args:
        response: A response.
    """
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):  # otherwise weak or missing
        return etag
    date: str = response.headers.get("Last-Modified", "")
    return date if _DATE.fullmatch(date) else ""


def read_blocks(
    raw: Any, patience: Patience, start: int, size_bytes: int, block_bytes: int = _BLOCK_BYTES
) -> Iterator[bytes]:
    """Yield bytes as soon as they arrive; a very slow server counts as stalled.

    Args:
        raw: The body of a response.
        patience: Timeouts.
        start: Where in the file the body begins, for the message.
        size_bytes: Size of the file, for the message.
        block_bytes: The most bytes of one block.

    Raises:
        Setback: The connection stalls or is cut.
    """
    import requests
    import urllib3

    network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
    at = start
    try:
        for block in _timed_blocks(raw, patience, block_bytes):
            yield block
            at += len(block)
    except urllib3.exceptions.ReadTimeoutError as error:
        reason = f"stalled for {patience.stall_s:g} s at byte {at}"
        raise Setback(reason=reason, again=True) from error
    except network as error:
        reason = f"closed the connection after {at} of {size_bytes} bytes"
        raise Setback(reason=reason, again=True) from error


def _timed_blocks(raw: Any, patience: Patience, block_bytes: int) -> Iterator[bytes]:
    since_s, came_bytes = time.monotonic(), 0
    while data := raw.read1(block_bytes, decode_content=False):
        yield data
        came_bytes += len(data)
        now_s = time.monotonic()
        if now_s - since_s >= patience.stall_s:
            if came_bytes < patience.least_bytes_s * (now_s - since_s):
                reason = f"sends only {came_bytes / (now_s - since_s):.0f} bytes a second"
                raise Setback(reason=reason, again=True)
            since_s, came_bytes = now_s, 0


def _asked_wait_s(response: requests.Response) -> float | None:
    """Return the seconds in ``Retry-After``, a number or a date, or in a hub's ``RateLimit``."""
    from email.utils import parsedate_to_datetime

    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    limit = _LIMIT.search(response.headers.get("RateLimit", ""))
    if not asked and limit is not None:
        return float(limit[1]) + 1.0  # the hub rounds down
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (OverflowError, TypeError, ValueError):
        return None
