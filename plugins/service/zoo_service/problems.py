# SPDX-License-Identifier: Apache-2.0
"""Errors as JSON problem details, RFC 9457: no traceback, and no path of the server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from zoo.texts import printable

__all__ = ["FIXED_HEADERS", "MEDIA_TYPE", "Problem", "problem_body", "without_paths"]

MEDIA_TYPE = "application/problem+json"
FIXED_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Headers of every answer that is no page."""

_MOST_CHARACTERS = 500
# An absolute path of POSIX or Windows: its last part stays.
_PATH = re.compile(r"(?<![\w.:/<])(?:[A-Za-z]:)?[\\/](?:[^\s\\/'\"]+[\\/])*([^\s\\/'\"]*)")


class Problem(Exception):
    """A request that is answered with an error.

    Args:
        status: Of HTTP.
        detail: What was found, and what is expected.
        hint: One thing to do.
        headers: More headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.hint = status, detail, hint
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return it as a response."""
        body = problem_body(self.status, self.detail, self.hint)
        headers = {**FIXED_HEADERS, **self.headers}
        return Response(body, self.status, headers=headers, media_type=MEDIA_TYPE)


def problem_body(status: int, detail: str, hint: str | None = None) -> bytes:
    """Return a problem as the body of a response.

    Args:
        status: Of HTTP.
        detail: What was found, and what is expected.
        hint: One thing to do, an extension member.
    """
    phrase = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": phrase, "status": status, "detail": _shown(detail)}
    if hint is not None:
        problem["hint"] = _shown(hint)
    return json.dumps(problem).encode() + b"\n"


def without_paths(text: str) -> str:
    """Return a text with the last part of each absolute path in place of the path.

    Args:
        text: A message.
    """
    return _PATH.sub(lambda found: found[1] or "a folder", text)


def _shown(text: str) -> str:
    told = printable(text)
    return told if len(told) <= _MOST_CHARACTERS else f"{told[: _MOST_CHARACTERS - 1]}…"
