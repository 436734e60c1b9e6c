# SPDX-License-Identifier: Apache-2.0
"""A tracker that fails while a run trains: one warning, and the run goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from zoo.engine.provenance.public_texts import without_secrets
from zoo.engine.random_state import kept_random_state

__all__ = ["GuardedBackend", "reason_of_client"]

_LOG = logging.getLogger("zoo")
_MOST_CHARACTERS = 300  # of an error's message


class GuardedBackend:
    """A backend of mmengine's visualizer whose failures end no run.

    Its methods are those of the backend. The first one that raises is told in the log; from then on
    they do nothing. No random number that training would draw is drawn.

    Args:
        kind: The tracker's name, for the warning.
        backend: What mmengine would call.

    Attributes:
        backend: As given, without the guard.
        is_off: Whether it has failed.
    """

    def __init__(self, kind: str, backend: Any) -> None:
        self._kind, self.backend = kind, backend
        self.is_off = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.backend, name)
        if not callable(found):
            return found
        return lambda *given, **more: self._call(found, *given, **more)

    def _call(self, method: Callable[..., Any], *given: Any, **more: Any) -> None:
        if self.is_off:
            return
        try:
            with kept_random_state():
                method(*given, **more)
        except Exception as error:  # noqa: BLE001 - whatever a client of a server raises
            self.is_off = True
            reason = reason_of_client(error)
            _LOG.warning("%s is not told of the rest of the run: %s", self._kind, reason)


def reason_of_client(error: Exception) -> str:
    """Return one line of what a client of a server says, without passwords and tokens.

    Args:
        error: Its message may hold the server's address, with a user and a password.
    """
    lines = str(error).splitlines() or [""]
    # Cut afterwards: half an address is not known to be one.
    return without_secrets(lines[0])[:_MOST_CHARACTERS].rstrip(".") or type(error).__name__
