# SPDX-License-Identifier: Apache-2.0
"""Fetch a file from the first address that has it: retry, resume, verify, move into place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.cache import lock_path
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.asking import host_of
from zoo.weights.fetching.one_try import receive
from zoo.weights.fetching.part import Part
from zoo.weights.fetching.session import open_session
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.fetching.waiting import wait_for_next_try
from zoo.weights.files import check_file

if TYPE_CHECKING:
    import requests

__all__ = ["fetch_file"]

_LOG = logging.getLogger("zoo")
_LOOK_S = 0.5  # a longer wait for another process is reported
_PROGRESS_BYTES = 1 << 16  # this much more than before counts as progress
_HINT = "set --mirror or ZOO_MIRRORS to a place that has it, or try later"

Progress = Callable[[int, int], None]


def fetch_file(
    target: Path,
    sha256: str,
    size_bytes: int,
    addresses: Sequence[str],
    *,
    patience: Patience | None = None,
    progress: Progress | None = None,
    hint: str = _HINT,
    mend: bool = False,
) -> Path:
    """Fetch ``target`` from the first address that has the expected bytes.

    The bytes go into ``<target>.part``. An interrupted run leaves it, and the next run resumes it,
    even from another address, since the digest decides. If several processes need one target, one
    fetches and the others wait. ``target`` only ever exists as the complete file.

    Args:
        target: Path of the file; an existing file is assumed to be correct.
        sha256: Expected digest, 64 hex digits, lower case.
        size_bytes: Expected size.
        addresses: https, http or file addresses, in the order to try.
        patience: Timeouts and number of attempts.
        progress: Called with the bytes received and the total size in bytes.
        hint: What to do if no address has the file, without a full stop.
        mend: Whether to verify an existing file and to replace it if it is damaged; it is kept
            until the new one is complete.

    Raises:
        HashMismatchError: An address returned other bytes, and no other had the right ones.
        DownloadError: No address has the file, or it cannot be written.
    """
    is_there = partial(_holds, target, sha256, size_bytes) if mend else target.is_file
    if is_there():  # without a lock, for read-only shared caches
        return target
    _make_folder(target.parent)
    with _alone(target):
        if is_there():  # another process has just fetched it
            return target
        with Part(target, Digest("sha256", sha256), size_bytes) as part:
            return _Fetch(part, patience or Patience(), progress, hint).run(addresses)


def _holds(target: Path, sha256: str, size_bytes: int) -> bool:
    try:
        check_file(target, sha256, size_bytes)
    except HashMismatchError:
        return False
    except DownloadError:
        if target.is_file():  # and cannot be read, so it may not be damaged
            raise
        return False
    return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make a folder for downloads: {error.strerror}."
        hint = "set --dest or ZOO_CACHE to a folder that you can write."
        raise DownloadError(message, where=folder, hint=hint) from error


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock of a target; remove the lock file if the target exists afterwards."""
    from filelock import FileLock, Timeout

    path = lock_path(target)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            _LOG.info("waiting for another process that downloads %s", target.name)
            lock.acquire()
    except OSError as error:
        message = f"cannot write beside {target.name}: {error.strerror or error}."
        hint = "set --dest or ZOO_CACHE to a folder that you can write."
        raise DownloadError(message, where=target.parent, hint=hint) from error
    try:
        yield
        # The target exists and nobody writes it any more, so a second lock does no harm.
        with suppress(OSError):
            path.unlink(missing_ok=True)
    finally:
        lock.release()


class _Fetch:
    """The attempts to fetch one file from all of its addresses."""

    def __init__(
        self, part: Part, patience: Patience, progress: Progress | None, hint: str
    ) -> None:
        self._part, self._patience, self._progress, self._hint = part, patience, progress, hint
        self._unreachable: set[str] = set()
        self._reasons: list[str] = []
        self._setbacks: list[Setback] = []
        self._mismatch: HashMismatchError | None = None

    def run(self, addresses: Sequence[str]) -> Path:
        """Return the finished file, or raise an error with the reason of each address.

        Skips an unreachable host at once if there are other addresses.

        Args:
            addresses: Addresses to try, in order.
        """
        with open_session() as session:
            for index, address in enumerate(addresses):
                host = host_of(address)
                if host and host in self._unreachable:
                    self._tell(address, "not tried, its host cannot be reached", logging.DEBUG)
                    continue
                others = {host_of(later) for later in addresses[index + 1 :]}
                is_last = others <= {host, *self._unreachable}
                try:
                    return self._fetch(session, address, is_last=is_last)
                except Setback as setback:
                    level = logging.DEBUG if setback.is_absent else logging.INFO
                    self._tell(address, setback.reason, level)
                    self._setbacks.append(setback)
                    if setback.is_unreachable:
                        self._unreachable.add(host)
        raise self._failure()

    def _fetch(
        self, session: requests.Session, address: str, *, is_last: bool, is_second: bool = False
    ) -> Path:
        """Return the finished file from one address; retry once if two responses were mixed."""
        is_mixed = self._receive(session, address, is_last=is_last)
        try:
            return self._part.finish()
        except HashMismatchError as error:
            if is_second or not is_mixed:
                self._mismatch = error
                raise Setback(reason=f"sent other bytes, sha256 {error.actual}") from error
        _LOG.warning("the kept part of %s is wrong, starting over", self._part.target.name)
        return self._fetch(session, address, is_last=is_last, is_second=True)

    def _receive(self, session: requests.Session, address: str, *, is_last: bool) -> bool:
        """Try one address until the part is complete or further attempts are useless.

        Returns:
            Whether some of the bytes came from an earlier response.
        """
        tries = 0
        # Counted over all attempts: with a server that breaks off and then refuses the range, the
        # part would grow and restart forever without progress.
        before = furthest = self._part.received
        while self._part.received < self._part.size_bytes:
            before = self._part.received
            try:
                receive(session, address, self._part, self._patience, self._progress)
            except Setback as setback:
                has_got_on = self._part.received >= furthest + _PROGRESS_BYTES
                furthest = self._part.received if has_got_on else furthest
                tries = 1 if has_got_on else tries + 1
                if setback.is_unreachable and not is_last:
                    raise
                wait_for_next_try(setback, address, tries, self._patience)
        return before > 0

    def _tell(self, address: str, reason: str, level: int) -> None:
        self._reasons.append(f"  {shown_address(address)}: {reason}")
        _LOG.log(level, "%s: %s", shown_address(address), reason)

    def _failure(self) -> DownloadError:
        name, wanted = self._part.target.name, self._part.wanted
        listed = "\n".join(self._reasons)
        stated = next((each.stated for each in self._setbacks if each.stated is not None), None)
        actual = stated if self._mismatch is None else self._mismatch.actual
        if actual is not None:
            verb = "is" if self._mismatch is not None else "is stated as"
            message = f"cannot accept {name}: sha256 {verb} {actual}, expected {wanted}.\n{listed}"
            return HashMismatchError(
                message,
                expected=self._part.digest.value,
                actual=actual,
                where=self._part.target,
                hint="nothing was kept; check the requested sha256, or report the file.",
            )
        message = f"cannot download {name}: all addresses failed.\n{listed}"
        hints = [each for each in self._setbacks if each.hint is not None]
        hints.sort(key=lambda setback: setback.is_absent)  # a mirror usually lacks the file
        kept = ": the bytes received are kept." if self._part.received else "."
        hint = hints[0].hint if hints else self._hint + kept
        return DownloadError(message, where=self._part.target, hint=hint)
