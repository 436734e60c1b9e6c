# SPDX-License-Identifier: Apache-2.0
"""What a request asks for, beside its image: the form of the answer, and a few options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo_service.negotiation import JSON
from zoo_service.problems import Problem

__all__ = ["INCLUDES", "OVERLAY", "STYLES", "Asked", "parse_asked"]

OVERLAY = "overlay"
"""An answer beside the media types: a picture for people, which is a PNG too."""

STYLES = ("contour", "fill", "both")
INCLUDES = {"semantic": ("image", "label"), "instance": ("image", "masks")}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants of an image.

    Args:
        form: A media type, or `OVERLAY`.
        score_thr: Least score of an instance, in ``[0, 1]``.
        style: How an overlay draws an object.
        opacity: Opacity of an overlay's fill, in ``[0, 1]``.
        include: Pixels that the JSON holds too.
    """

    form: str
    score_thr: float = 0.5
    style: str = "both"
    opacity: float = 0.35
    include: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, for another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Asked:
        """Return what `to_json` has returned in another process.

        Args:
            values: JSON values.
        """
        return cls(**{**values, "include": tuple(values["include"])})


def parse_asked(task: str, form: str, query: Sequence[tuple[str, str]]) -> Asked:
    """Return what a query asks for.

    Args:
        task: ``semantic`` or ``instance``.
        form: A media type, or `OVERLAY`.
        query: Names and values.

    Raises:
        Problem: 400, a parameter is unknown here, given twice, or has another value.
    """
    parsers: dict[str, Callable[[str], Any]] = {}
    if task == "instance":
        parsers["score_thr"] = _share
    if form == OVERLAY:
        parsers |= {"style": _style, "opacity": _share}
    if form == JSON:
        parsers["include"] = lambda text: _includes(text, INCLUDES[task])
    found: dict[str, Any] = {}
    for name, text in query:
        if name not in parsers or name in found:
            fault = "given twice" if name in found else "no parameter of this answer"
            known = ", ".join(parsers) or "none"
            message = f"there is a parameter {name[:60]!r}, which is {fault}: expected {known}."
            raise Problem(400, message)
        try:
            found[name] = parsers[name](text)
        except ValueError as error:
            message = f"the parameter {name!r} is {text[:60]!r}: expected {error}."
            raise Problem(400, message) from error
    return Asked(form, **found)


def _share(text: str) -> float:
    wanted = "a number from 0 to 1"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 <= value <= 1:
        raise ValueError(wanted)
    return value


def _style(text: str) -> str:
    if text not in STYLES:
        raise ValueError(" or ".join(STYLES))
    return text


def _includes(text: str, known: Sequence[str]) -> tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(parts) <= set(known):
        raise ValueError(",".join(known))
    return parts
