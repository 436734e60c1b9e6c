# SPDX-License-Identifier: Apache-2.0
"""The wait between two attempts at one address.

This does not use ``Retry`` of urllib3: it does not reset its count when a download makes progress,
its first wait is 0 s, it shortens a ``Retry-After`` of a day to six hours, and it ignores one with
many digits. zoo moves on to the next address instead of waiting so long.
"""

from __future__ import annotations

import logging
import random
import time

from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.setbacks import Patience, Setback

__all__ = ["wait_for_next_try"]

_LOG = logging.getLogger("zoo")


def wait_for_next_try(setback: Setback, address: str, tries: int, patience: Patience) -> None:
    """Sleep before the next attempt at an address, or raise if an attempt is useless.

    Args:
        setback: Result of the last attempt.
        address: Address, for the log.
        tries: Number of attempts without progress.
        patience: Number of attempts allowed, and how long to wait.

    Raises:
        Setback: The given one, or one for a server that requests too long a wait.
    """
    if not setback.again or tries >= patience.tries:
        raise setback
    wait_s = _wait_s(setback, tries, patience)
    if setback.wait_s is not None and wait_s > patience.longest_wait_s:
        reason = f"{setback.reason} and asks for a wait of {wait_s:.0f} s"
        raise Setback(reason=reason) from setback
    shown = shown_address(address)
    # To ask again at once is no news: a signed address has expired, say.
    level = logging.WARNING if wait_s > 0 else logging.DEBUG
    _LOG.log(level, "%s: %s; retrying in %.1f s", shown, setback.reason, wait_s)
    time.sleep(wait_s)


def _wait_s(setback: Setback, tries: int, patience: Patience) -> float:
    if setback.wait_s is not None:
        return setback.wait_s
    longest_s = patience.first_wait_s * 2.0 ** (tries - 1)
    # Clients that were cut off together must not all return together.
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - guards nothing
    return min(longest_s, patience.longest_wait_s) * spread
