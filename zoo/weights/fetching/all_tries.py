# SPDX-License-Identifier: Apache-2.0
"""Fetch a file from the first address that has it: retry, resume, verify, move into place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.asking import host_of
from zoo.weights.fetching.locking import only_one
from zoo.weights.fetching.one_try import receive
from zoo.weights.fetching.part import Part
from zoo.weights.fetching.session import open_session
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.fetching.waiting import wait_for_next_try
from zoo.weights.files import check_file

if TYPE_CHECKING:
    import requests

__all__ = ["fetch_file", "fetch_part"]

_LOG = logging.getLogger("zoo")
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
    with only_one(target):
        if is_there():  # another process has just fetched it
            return target
        with Part(target, [Digest("sha256", sha256)], size_bytes) as part:
            return fetch_part(part, addresses, patience or Patience(), progress, hint)


def fetch_part(
    part: Part,
    addresses: Sequence[str],
    patience: Patience,
    progress: Progress | None = None,
    hint: str = _HINT,
) -> Path:
    """Complete a part from the first address that has the expected bytes; return its final path.

    Args:
        part: The part, entered as a context; its target is locked.
        addresses: Addresses to try, in order.
        patience: Timeouts and number of attempts.
        progress: Called with the bytes received and the total size in bytes.
        hint: What to do if no address has the file, without a full stop.

    Raises:
        HashMismatchError: An address returned other bytes, and no other had the right ones.
        DownloadError: No address has the file, or it cannot be written.
    """
    return _Fetch(part, patience, progress, hint).run(addresses)


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
                    # The error that follows the last address repeats its reason.
                    is_told = not setback.is_absent and index < len(addresses) - 1
                    level = logging.INFO if is_told else logging.DEBUG
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
        tries, patience = 0, self._patience
        # Counted over all attempts: with a server that breaks off and then refuses the range, the
        # part would grow and restart forever without progress.
        before = furthest = self._part.received
        while self._part.received < self._part.size_bytes:
            before = self._part.received
            try:
                receive(session, address, self._part, patience, self._progress)
            except Setback as setback:
                has_got_on = self._part.received >= furthest + _PROGRESS_BYTES
                furthest = self._part.received if has_got_on else furthest
                tries = 1 if has_got_on else tries + 1
                if setback.is_unreachable and not is_last:
                    raise
                if setback.is_crowded:
                    patience = replace(patience, connections=1)
                wait_for_next_try(setback, address, tries, patience)
        return before > 0

    def _tell(self, address: str, reason: str, level: int) -> None:
        self._reasons.append(f"  {shown_address(address)}: {reason}")
        _LOG.log(level, "%s: %s", shown_address(address), reason)

    def _failure(self) -> DownloadError:
        name, listed = self._part.target.name, "\n".join(self._reasons)
        for setback in self._setbacks:
            if self._mismatch is None and setback.mismatch is not None:
                self._mismatch = setback.mismatch
        if self._mismatch is not None:
            return HashMismatchError(
                f"{self._mismatch.message}\n{listed}",
                expected=self._mismatch.expected,
                actual=self._mismatch.actual,
                where=self._part.target,
                hint="nothing was kept; check the requested sha256, or report the file.",
            )
        message = f"cannot download {name}: all addresses failed.\n{listed}"
        hints = [each for each in self._setbacks if each.hint is not None]
        hints.sort(key=lambda setback: setback.is_absent)  # a mirror usually lacks the file
        kept = ": the bytes received are kept." if self._part.received else "."
        hint = hints[0].hint if hints else self._hint + kept
        return DownloadError(message, where=self._part.target, hint=hint)
