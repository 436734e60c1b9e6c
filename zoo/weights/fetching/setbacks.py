# SPDX-License-Identifier: Apache-2.0
"""How long and how to try, and why an attempt at one address failed."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.errors import HashMismatchError

__all__ = ["Patience", "Setback"]

_REASON_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts, number of attempts, and connections.

    Attributes:
        tries: Attempts per address without progress.
        first_wait_s: Wait after the first attempt; doubles with each attempt.
        longest_wait_s: Longest wait, and longest ``Retry-After`` to obey.
        connect_s: Timeout of a connection.
        stall_s: Timeout of the response header, then of the next bytes.
        least_bytes_s: Least bytes per second, averaged over ``stall_s``.
        connections: Most connections to one address at the same time; 1 for one.
        ranges_from_bytes: Bytes still to come from which on several connections are worth it.
        range_bytes: Most bytes of one range; a few times as many are held in memory.
        fast_bytes_s: Rate of one connection from which on more would not help.
    """

    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    connect_s: float = 15.0
    stall_s: float = 30.0
    least_bytes_s: float = 1024.0
    connections: int = 8
    ranges_from_bytes: int = 64_000_000
    range_bytes: int = 1 << 22
    fast_bytes_s: float = 100e6


class Setback(Exception):
    """Why an address did not deliver the rest of a file.

    Args:
        reason: Predicate of a sentence that starts with "the address ...".
        again: Whether another attempt may help.
        wait_s: Wait that the server requests, or None.
        is_unreachable: Whether no connection was made.
        is_absent: Whether the address lacks the file, as one of a mirror's two usually does.
        hint: What to do about it, if the address said enough for more than a general hint.
        is_crowded: Whether it came of too many connections or requests, so that one may do.
        mismatch: The error to raise if the reason is that the host states another digest.
    """

    def __init__(
        self,
        *,
        reason: str,
        again: bool = False,
        wait_s: float | None = None,
        is_unreachable: bool = False,
        is_absent: bool = False,
        hint: str | None = None,
        is_crowded: bool = False,
        mismatch: HashMismatchError | None = None,
    ) -> None:
        # It contains text from the server, which must fit a line and not control the terminal.
        shown = "".join(one if one.isprintable() else "?" for one in reason)
        self.reason = shown if len(shown) <= _REASON_LIMIT else f"{shown[:_REASON_LIMIT]}..."
        super().__init__(self.reason)
        self.again, self.wait_s = again, wait_s
        self.is_unreachable, self.is_absent = is_unreachable, is_absent
        self.hint, self.mismatch, self.is_crowded = hint, mismatch, is_crowded
