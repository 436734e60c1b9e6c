# SPDX-License-Identifier: Apache-2.0
"""Which form of an answer a client accepts, RFC 9110, 12.5.1."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_service.problems import Problem

__all__ = ["COCO", "GEOJSON", "JSON", "PNG", "choose_type", "offered_types"]

JSON = "application/json"
PNG = "image/png"
COCO = "application/vnd.coco+json"
GEOJSON = "application/geo+json"

_BY_TASK = {"semantic": (JSON, PNG), "instance": (JSON, COCO, GEOJSON)}


def offered_types(task: str) -> tuple[str, ...]:
    """Return the media types in which a result is offered, the preferred one first.

    Args:
        task: ``semantic`` or ``instance``.
    """
    return _BY_TASK[task]


def choose_type(accept: str, offered: Sequence[str]) -> str:
    """Return the media type that a client prefers among those offered.

    Of equal ones, the first that is offered wins. The more specific range decides on a type.

    Args:
        accept: The header ``Accept``; an empty one accepts everything.
        offered: Media types.

    Raises:
        Problem: 406, it accepts none of them.
    """
    ranges = [_parse(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best, most = "", 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > most:
            best, most = media_type, quality
    if not best:
        message = f"there is no such answer: found Accept: {accept[:200]}, expected one of "
        message += f"{', '.join(offered)}."
        raise Problem(406, message, hint=f"send Accept: {offered[0]}, or no such header.")
    return best


def _parse(part: str) -> tuple[str, float]:
    media_range, *parameters = (word.strip().lower() for word in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    return media_range, quality if quality == quality else 0.0  # NaN


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    kind = media_type.partition("/")[0]
    for wanted in (media_type, f"{kind}/*", "*/*"):
        found = [quality for media_range, quality in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0
