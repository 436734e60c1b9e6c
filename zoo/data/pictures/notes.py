# SPDX-License-Identifier: Apache-2.0
"""What is said of how pictures are read: once, not for each of a thousand files."""

from __future__ import annotations

import logging
from collections.abc import Iterable

__all__ = ["tell_once"]

_LOG = logging.getLogger("zoo")
_TOLD: set[str] = set()


def tell_once(name: str, notes: Iterable[str]) -> None:
    """Log each note that no earlier call of this process has logged, with the file it is of."""
    for note in notes:
        if note not in _TOLD:
            _TOLD.add(note)
            _LOG.warning("%s and files like it: %s", name, note)
