# SPDX-License-Identifier: Apache-2.0
"""One attempt at one address: the next bytes of a file, or the reason for failure.

The bytes are never decoded, and are accepted only if they can belong to the file: right length,
right range, not a web page, no weaker transport.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from zoo.weights.fetching.addresses import is_local, is_of_this_machine, local_path, shown_address
from zoo.weights.fetching.part import Origin, Part

if TYPE_CHECKING:
    import requests

__all__ = ["Patience", "Setback", "measure", "receive"]

_BLOCK_BYTES = 1 << 20
_REDIRECTS = 5
_REASON_LIMIT = 300
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # temporary failures
_NOT_HERE = {401: "needs a login", 403: "refuses access", 404: "not found", 410: "gone"}
_PAGES = ("text/html", "application/xhtml")
_SIZE = re.compile(r"[0-9]{1,18}")  # limits the number of digits
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\")]+")
_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts and number of attempts.

    Attributes:
        tries: Attempts per address without progress.
        first_wait_s: Wait after the first attempt; doubles with each attempt.
        longest_wait_s: Longest wait, and longest ``Retry-After`` to obey.
        connect_s: Timeout of a connection.
        stall_s: Timeout of the response header, then of the next bytes.
        least_bytes_s: Least bytes per second, averaged over ``stall_s``.
    """

    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    connect_s: float = 15.0
    stall_s: float = 30.0
    least_bytes_s: float = 1024.0


class Setback(Exception):
    """Why an address did not deliver the rest of a file.

    Args:
        reason: Predicate of a sentence that starts with "the address ...".
        again: Whether another attempt may help.
        wait_s: Wait that the server requests, or None.
        is_unreachable: Whether no connection was made.
        is_absent: Whether the address lacks the file, as one of a mirror's two usually does.
    """

    def __init__(
        self,
        *,
        reason: str,
        again: bool = False,
        wait_s: float | None = None,
        is_unreachable: bool = False,
        is_absent: bool = False,
    ) -> None:
        # It contains text from the server, which must fit a line and not control the terminal.
        shown = "".join(one if one.isprintable() else "?" for one in reason)
        self.reason = shown if len(shown) <= _REASON_LIMIT else f"{shown[:_REASON_LIMIT]}..."
        super().__init__(self.reason)
        self.again, self.wait_s = again, wait_s
        self.is_unreachable, self.is_absent = is_unreachable, is_absent


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
        address: An https, http or file address.
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
    with _reading(address) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if size_bytes != part.size_bytes:
            raise Setback(reason=f"has {size_bytes} bytes, expected {part.size_bytes}")
        stream.seek(part.received)
        while block := stream.read(_BLOCK_BYTES):
            yield block


@contextmanager
def _reading(address: str) -> Iterator[BinaryIO]:
    """Open the file of a file address for reading."""
    if not is_of_this_machine(address):
        raise Setback(reason="names another host, expected file:/// and a path of this machine")
    try:
        with _open_regular(local_path(address)) as stream:
            yield stream
    except FileNotFoundError:
        reason = "not found"
        raise Setback(reason=reason, is_absent=True) from None
    except OSError as error:
        raise Setback(reason=f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a percent-encoded zero byte
        raise Setback(reason=f"cannot be read ({error})") from error


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file without blocking; a pipe or a device would never end."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        reason = "is a pipe, a device or a folder, expected a file"
        raise Setback(reason=reason)
    return os.fdopen(descriptor, "rb")


def _read_remote(
    session: requests.Session, address: str, part: Part, patience: Patience
) -> Generator[bytes, None, None]:
    import requests
    import urllib3

    network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
    headers = {"Range": f"bytes={part.received}-"} if part.received else {}
    origin = part.origin
    if headers and origin is not None and origin.address == address and origin.validator:
        headers["If-Range"] = origin.validator
    with closing(_answer(session, address, headers, patience)) as response:
        _check(response, address, part, patience)
        try:
            yield from _blocks(response.raw, patience)
        except urllib3.exceptions.ReadTimeoutError as error:
            reason = f"stalled for {patience.stall_s:g} s at byte {part.received}"
            raise Setback(reason=reason, again=True) from error
        except network as error:
            reason = f"closed the connection after {part.received} of {part.size_bytes} bytes"
            raise Setback(reason=reason, again=True) from error


def measure(session: requests.Session, address: str, patience: Patience) -> int:
    """Return the size in bytes that an address reports, without reading the content.

    This sends the same request as for the file, because many servers refuse HEAD.

    Args:
        session: A session from `open_session`.
        address: An https, http or file address.
        patience: Timeouts.

    Raises:
        Setback: It does not have the file, or does not report the size.
    """
    if is_local(address):
        with _reading(address) as stream:
            return os.fstat(stream.fileno()).st_size
    with closing(_answer(session, address, {}, patience)) as response:
        _check_status(response)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise Setback(reason=f"encodes the file as {encoding}, so its size is unknown")
        told = response.headers.get("Content-Length", "").strip()
        if response.status_code != 200 or _SIZE.fullmatch(told) is None:
            raise Setback(reason="does not state the file's size (Content-Length)")
        return int(told)


def _answer(
    session: requests.Session, address: str, headers: dict[str, str], patience: Patience
) -> requests.Response:
    """Return the response to a request, or raise the reason for failure."""
    import requests
    import urllib3

    network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
    try:
        return _ask(session, address, headers, patience)
    except requests.exceptions.ReadTimeout as error:
        raise Setback(reason=f"did not answer within {patience.stall_s:g} s", again=True) from error
    except requests.exceptions.SSLError as error:
        raise Setback(reason=f"cannot be trusted ({_root(error)})", is_unreachable=True) from error
    except requests.exceptions.ConnectionError as error:
        is_cut = not isinstance(error, requests.exceptions.ConnectTimeout) and _was_cut(error)
        verb = "hung up" if is_cut else "cannot be reached"
        reason = f"{verb} ({_root(error)})"
        raise Setback(reason=reason, again=True, is_unreachable=not is_cut) from error
    # An invalid address, possibly from a redirect, or a missing certificate bundle.
    except (*network, ValueError) as error:
        raise Setback(reason=f"cannot be requested ({_root(error)})") from error


def _blocks(raw: Any, patience: Patience) -> Iterator[bytes]:
    """Yield bytes as soon as they arrive; a very slow server counts as stalled."""
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


def _ask(
    session: requests.Session, address: str, headers: dict[str, str], patience: Patience
) -> requests.Response:
    """Return the response to a request, following redirects."""
    url, seen = address, [address]
    while True:
        response = session.get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(patience.connect_s, patience.stall_s),
        )
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(url, response.headers["Location"], seen)
        seen.append(url)


def _redirected(url: str, location: str, seen: list[str]) -> str:
    """Return the target of a redirect if it is allowed."""
    following = urljoin(url, location)
    scheme, name = urlsplit(following).scheme, urlsplit(url).scheme
    if scheme not in ("https", "http") or (name == "https" and scheme != "https"):
        reason = f"redirects from {name} to {shown_address(following)}, which is not safe"
        raise Setback(reason=reason)
    if following in seen:
        raise Setback(reason=f"redirects in a circle, to {shown_address(following)}")
    if len(seen) > _REDIRECTS:
        raise Setback(reason=f"redirects more than {_REDIRECTS} times")
    return following


def _check(response: requests.Response, address: str, part: Part, patience: Patience) -> None:
    """Accept a response only if its body continues or starts the file of the part."""
    status = response.status_code
    if status == 416:
        part.restart()
        raise Setback(reason="cannot resume where the part ends (416)", again=True, wait_s=0)
    _check_status(response)
    origin = Origin(address, _validator(response))
    if status == 206:
        _check_range(response, part, origin)
    _check_length(response, part.size_bytes - (part.received if status == 206 else 0))
    if status == 200 or not part.received:
        part.restart(origin)


def _check_status(response: requests.Response) -> None:
    """Accept a response only if it seems to contain the file."""
    status = response.status_code
    if status in _PASSING:
        raise Setback(reason=f"answers {status}", again=True, wait_s=_asked_wait_s(response))
    if status not in (200, 206):
        reason = f"{_NOT_HERE.get(status, 'cannot be used')} ({status})"
        raise Setback(reason=reason, is_absent=status == 404)
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith(_PAGES):
        page = kind.partition(";")[0]
        raise Setback(reason=f"answers with a web page ({page}), expected the file")


def _check_range(response: requests.Response, part: Part, origin: Origin) -> None:
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    is_next = found is not None and int(found[1]) == part.received
    is_whole = found is not None and found[3] in ("*", str(part.size_bytes))
    before = part.origin
    is_same = before is None or before.address != origin.address
    if before is not None and not is_same:
        # Without a validator on both sides, the digest decides in the end.
        is_same = "" in (origin.validator, before.validator) or origin == before
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


def _validator(response: requests.Response) -> str:
    """Return the validator by which a server identifies these bytes, or an empty text."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):  # otherwise weak or missing
        return etag
    date: str = response.headers.get("Last-Modified", "")
    return date if _DATE.fullmatch(date) else ""


def _asked_wait_s(response: requests.Response) -> float | None:
    """Return the seconds in ``Retry-After``, given as a number or as a date."""
    from email.utils import parsedate_to_datetime

    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (OverflowError, TypeError, ValueError):
        return None


def _was_cut(error: BaseException) -> bool:
    """Return whether the error occurred after the connection was made."""
    import urllib3

    reasons = [*error.args, getattr(error.args[0], "reason", None) if error.args else None]
    return any(isinstance(reason, urllib3.exceptions.ProtocolError) for reason in reasons)


def _root(error: BaseException) -> str:
    """Return the message of the first error in a chain, without the names of layers.

    It also omits the address, which may contain a password or a token.
    """
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    text = error.strerror if isinstance(error, OSError) else None
    return _ADDRESS.sub("its address", str(text or error or type(error).__name__)).rstrip(".")
