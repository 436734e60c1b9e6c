# SPDX-License-Identifier: Apache-2.0
"""The wait between two tries at one address.

Counted here: urllib3's ``Retry`` starts no new count when a download gets on between two tries, its
first wait is 0 s, and it takes a ``Retry-After`` of a day for six hours and one of many digits for
none, where an address that asks for so long is to be left for the next.
"""

from __future__ import annotations

import logging
import random
import time

from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.one_try import Patience, Setback

__all__ = ["wait_for_next_try"]

_LOG = logging.getLogger("zoo")


def wait_for_next_try(setback: Setback, address: str, tries: int, patience: Patience) -> None:
    """Sleep before an address is tried again, or raise where that has no use.

    Args:
        setback: What the last try met.
        address: For the log.
        tries: How many there were without getting on.
        patience: How many there may be, and how long to wait.

    Raises:
        Setback: The one given, or that the server asks to wait for too long.
    """
    if not setback.again or tries >= patience.tries:
        raise setback
    wait_s = _wait_s(setback, tries, patience)
    if setback.wait_s is not None and wait_s > patience.longest_wait_s:
        reason = f"{setback.reason} and asks for a wait of {wait_s:.0f} s"
        raise Setback(reason=reason) from setback
    shown = shown_address(address)
    _LOG.warning("%s: %s; retrying in %.1f s", shown, setback.reason, wait_s)
    time.sleep(wait_s)


def _wait_s(setback: Setback, tries: int, patience: Patience) -> float:
    if setback.wait_s is not None:
        return setback.wait_s
    longest_s = patience.first_wait_s * 2.0 ** (tries - 1)
    # Those who were cut off together do not all come back together.
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - guards nothing
    return min(longest_s, patience.longest_wait_s) * spread
