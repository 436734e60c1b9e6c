# SPDX-License-Identifier: Apache-2.0
"""Collect the values of a parameter, and derive a form that allows similar values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Evidence"]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .+-]{0,63}")
# Texts that name a file, a module or a model elsewhere are not words.
_PLACE = re.compile(r"\.(py|pth|pkl|json|txt|yaml)$|^cv2\.|^torch\.|^ldm\.", re.I)
_LEAST_MOST = 8  # of a list
_LEAST_WHOLE = 16  # of a whole number's upper bound
_DEFAULT_WHOLE = [0, 1024]  # where a signature says int, and no config gives one
_LIMIT = 10**9


@dataclass
class Evidence:
    """The values of one parameter."""

    is_none: bool = False
    is_bool: bool = False
    whole: list[int] | None = None
    number: list[float] | None = None
    words: set[str] = field(default_factory=set)
    items: Evidence | None = None
    most: int = 0
    table: dict[str, Evidence] | None = None
    families: set[str] = field(default_factory=set)
    takes_types: bool = False
    told: Evidence | None = None  # from the annotation, without values

    @property
    def is_known(self) -> bool:
        """Whether anything but None was seen."""
        return bool(
            self.is_bool
            or self.whole
            or self.number
            or self.words
            or self.items
            or self.table is not None
            or self.families
        )

    def add(self, value: Any, resolve: Any) -> None:
        """Add a value.

        Args:
            value: Plain: JSON's values and tuples.
            resolve: Type -> its family; ``""`` if it may not be named, None if it is no type.
        """
        if value is None:
            self.is_none = True
        elif isinstance(value, bool):
            self.is_bool = True
        elif isinstance(value, int):
            self.whole = _span(self.whole, value, value)
        elif isinstance(value, float):
            self.number = _span(self.number, value, value)
        elif isinstance(value, str):
            if _WORD.fullmatch(value) and not _PLACE.search(value):
                self.words.add(value)
        elif isinstance(value, Mapping):
            self._add_table(value, resolve)
        elif isinstance(value, (list, tuple)):
            self.items = self.items or Evidence()
            self.most = max(self.most, len(value))
            for one in value:
                self.items.add(one, resolve)

    def _add_table(self, value: Mapping[str, Any], resolve: Any) -> None:
        name = value.get("type")
        if isinstance(name, str) and name.startswith("zoo."):
            self.takes_types = True
            return
        family = resolve(name) if "type" in value else None
        if family is not None:
            self.takes_types = True
            self.families |= {family} - {""}
            return
        self.table = {} if self.table is None else self.table
        for key, one in value.items():
            self.table.setdefault(key, Evidence()).add(one, resolve)

    def add_signature(self, parameter: Any, resolve: Any) -> None:
        """Add a parameter's default, and its annotation if nothing else shows its kind.

        Args:
            parameter: ``inspect.Parameter``.
            resolve: See `add`.
        """
        if parameter.default is not parameter.empty:
            self.add(parameter.default, resolve)
        text = str(parameter.annotation)
        if parameter.annotation is parameter.empty:
            return
        if re.search(r"Config|dict|Module", text):
            self.takes_types = True
            return
        told = one = Evidence()
        one.is_bool = bool(re.search(r"\bbool\b", text))
        one.whole = list(_DEFAULT_WHOLE) if re.search(r"\bint\b", text) else None
        one.number = [0.0, 1.0] if re.search(r"\bfloat\b", text) else None
        if re.search(r"[Ss]equence|[Tt]uple|[Ll]ist", text):
            told = Evidence(items=one, most=_LEAST_MOST)
            if "Union" in text:  # or one value for all
                told.merge(one)
        self.told = told

    def merge(self, other: Evidence) -> None:
        """Add the evidence of another.

        Args:
            other: Evidence to add.
        """
        self.is_none |= other.is_none
        self.is_bool |= other.is_bool
        self.takes_types |= other.takes_types
        if other.whole:
            self.whole = _span(self.whole, *other.whole)
        if other.number:
            self.number = _span(self.number, *other.number)
        self.words |= other.words
        self.families |= other.families
        self.most = max(self.most, other.most)
        if other.items is not None:
            self.items = self.items or Evidence()
            self.items.merge(other.items)
        if other.table is not None:
            self.table = {} if self.table is None else self.table
            for key, one in other.table.items():
                self.table.setdefault(key, Evidence()).merge(one)

    def form(self) -> dict[str, Any]:
        """Return the form: the values seen, with numbers and lengths a few times wider."""
        form: dict[str, Any] = {}
        if self.is_none:
            form["none"] = True
        if self.is_bool:
            form["bool"] = True
        if self.number:
            form["float"] = _wider(_span(self.number, *(self.whole or self.number)))
        elif self.whole:
            form["int"] = _wider_whole(self.whole)
        if self.words:
            form["words"] = sorted(self.words)
        if self.items is not None and self.items.form():
            form["list"], form["most"] = self.items.form(), max(_LEAST_MOST, 2 * self.most)
        if self.table is not None:
            inner = {key: one.form() for key, one in sorted(self.table.items())}
            form["table"] = {key: one for key, one in inner.items() if one}
        if self.families:
            form["type"] = sorted(self.families)
        return form


def _span(pair: Any, low: Any, high: Any) -> Any:
    return [low, high] if pair is None else [min(pair[0], low), max(pair[1], high)]


def _wider_whole(pair: list[int]) -> list[int]:
    """Return 0 or a negative bound, and the power of two from four times the largest."""
    high = min(max(_LEAST_WHOLE, 1 << (max(4 * pair[1], 1) - 1).bit_length()), _LIMIT)
    low = 0 if pair[0] >= 0 else -max(_LEAST_WHOLE, 1 << (4 * -pair[0] - 1).bit_length())
    return [max(low, -_LIMIT), high]


def _wider(pair: list[float]) -> list[float]:
    """Return the power of ten above ten times the largest, negative too where one was."""
    high = 10.0
    while high < 10 * max(abs(pair[0]), abs(pair[1])) and high < _LIMIT:
        high *= 10
    return [0.0 if pair[0] >= 0 else -high, high]
