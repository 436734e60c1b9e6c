# SPDX-License-Identifier: Apache-2.0
"""Read ``classes.toml``, which lists the classes and their values or colours in masks.

::

    ignore = [255]            # optional: mask values, or colours, to ignore

    [[class]]
    name = "background"
    value = 0                 # or several: value = [0, 7]
    color = "#000000"         # drawing colour; chosen if omitted

    [[class]]
    name = "road"
    values = "1-9, 20"        # or ranges, and limits such as ">=128"

Ids follow the order of the file. If no class has a ``value`` or ``values``, masks are colour images
and ``color`` is the colour in the mask; it may be a list, of which the first is used for drawing.

A mask with any other value is refused, unless ``unlisted`` is ``"ignore"`` (such pixels are
ignored) or ``"nearest"`` (they get the class with the nearest value or colour).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from zoo.data import IGNORE_INDEX
from zoo.documents import DocumentError, Limits, parse_toml, read_file, reason_of
from zoo.errors import DataError
from zoo.texts import shown
from zoo_folder_data.value_ranges import MOST_VALUE, Span, parse_spans, spell_span

__all__ = [
    "UNLISTED",
    "ClassList",
    "Color",
    "choose_color",
    "format_color",
    "parse_classes",
    "read_class_file",
    "read_class_text",
    "unpack_color",
]

_LIMITS = Limits(depth=8)

Color = tuple[int, int, int]

UNLISTED = ("refuse", "ignore", "nearest")
"""What may be done with pixels that no class lists, the first unless the file says otherwise."""
_FIELDS = {"name", "value", "values", "color"}

# Okabe and Ito 2008, "Color Universal Design": distinguishable with any colour vision.
_COLORS: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


@dataclass(frozen=True, slots=True)
class ClassList:
    """The classes of a data set, and the mask values of each.

    Args:
        names: Names in the order of their ids.
        palette: RGB drawing colour of each class.
        spans: Each range of mask values, or of packed colours (``r << 16 | g << 8 | b``), with its
            id, 255 for ignored ones; sorted, without overlap.
        by_color: Whether masks are colour images.
        unlisted: One of `UNLISTED`.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    spans: tuple[tuple[Span, int], ...]
    by_color: bool
    unlisted: str = UNLISTED[0]

    @property
    def ids(self) -> dict[int, int]:
        """The id of each mask value or packed colour."""
        return {key: index for (low, high), index in self.spans for key in range(low, high + 1)}

    def spell(self, key: int) -> str:
        """Return a mask value or a packed colour as ``classes.toml`` spells it.

        Args:
            key: The value or packed colour.
        """
        return format_color(unpack_color(key)) if self.by_color else str(key)

    def spell_span(self, span: Span) -> str:
        """Return a range as ``classes.toml`` spells it.

        Args:
            span: First and last value, inclusive.
        """
        return self.spell(span[0]) if self.by_color else spell_span(span)

    def to_options(self) -> dict[str, Any]:
        """Return the ids by spelling, for ``dataset.json``."""
        return {self.spell_span(span): index for span, index in self.spans}


def format_color(color: Color) -> str:
    """Return ``#rrggbb``.

    Args:
        color: RGB, 0 to 255.
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


def pack_color(color: Color) -> int:
    """Return the three channels packed into one number, ``r << 16 | g << 8 | b``.

    Args:
        color: RGB, 0 to 255.
    """
    return color[0] << 16 | color[1] << 8 | color[2]


def unpack_color(key: int) -> Color:
    """Return the RGB channels of a packed colour, the inverse of :func:`pack_color`.

    Args:
        key: Packed colour.
    """
    return key >> 16, key >> 8 & 255, key & 255


def choose_color(index: int) -> Color:
    """Return a colour for a class: black, then seven distinct colours, darker in each round.

    Args:
        index: Id of the class.
    """
    if index == 0:
        return (0, 0, 0)
    times, place = divmod(index - 1, len(_COLORS))
    scale = 0.7**times
    red, green, blue = (round(channel * scale) for channel in _COLORS[place])
    return red, green, blue


def parse_classes(text: str, where: str) -> ClassList:
    """Parse the classes in a ``classes.toml``.

    Args:
        text: TOML; see the module docstring.
        where: Name of the file, for messages.

    Raises:
        DataError: The text is not TOML; a key is unknown, missing or of the wrong type; only some
            classes have values; or two classes share a name, a value or a mask colour.
    """
    try:
        content = parse_toml(text.encode("utf-8", "surrogatepass"), _LIMITS)
    except DocumentError as error:
        message = f"cannot read the classes: {reason_of(error)}."
        raise DataError(message, path=where, hint="fix what the message names.") from error
    return _Parser(where).parse(content)


def read_class_file(path: Path) -> ClassList:
    """Return the classes of a file.

    Args:
        path: A ``classes.toml``.

    Raises:
        DataError: It cannot be read, or :func:`parse_classes` refuses it.
    """
    try:
        data = read_file(path, 2**20)
    except (OSError, DocumentError) as error:
        message = f"cannot read the classes: {reason_of(error)}."
        raise DataError(message, path=path, hint="give a file with --classes.") from error
    return read_class_text(data, str(path))


def read_class_text(data: bytes, where: str) -> ClassList:
    """Return the classes in the bytes of a file.

    Args:
        data: TOML in UTF-8.
        where: Name of the file, for messages.

    Raises:
        DataError: It is no UTF-8, or :func:`parse_classes` refuses it.
    """
    try:
        return parse_classes(data.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        message = f"cannot read the classes: {error}."
        raise DataError(message, path=where, hint="save the file as UTF-8.") from error


class _Parser:
    """Parser that keeps the file's name for messages.

    Args:
        where: Name of the file.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, found: str, hint: str) -> NoReturn:
        raise DataError(f"cannot use the classes: {found}.", path=self.where, hint=hint)  # noqa: EM102 (built once, here)

    def parse(self, content: Mapping[str, Any]) -> ClassList:
        self.check_keys(content, {"class", "ignore", "unlisted"}, "the file")
        rows = content.get("class")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            self.fail("found no [[class]]", 'write [[class]], name = "...", value = 0.')
        if len(rows) > IGNORE_INDEX:
            self.fail(f"found {len(rows)}, expected at most {IGNORE_INDEX}", "merge some of them.")
        names = [self.read_name(row, index) for index, row in enumerate(rows)]
        for name in names:
            if names.count(name) > 1:
                hint = "rename one; a class may have several values."
                self.fail(f"found class {name!r} twice", hint)
        by_color = not any("value" in row or "values" in row for row in rows)
        taken: list[tuple[Span, str, int]] = []
        for index, row in enumerate(rows):
            owner = f"class {names[index]!r}"
            for span in self.read_row(row, owner, by_color):
                taken.append((span, owner, index))
        if content.get("ignore", []) != []:
            for span in self.read_keys(content["ignore"], "ignore", by_color, ranges=True):
                taken.append((span, "ignore", IGNORE_INDEX))
        return ClassList(
            names=tuple(names),
            palette=tuple(self.read_palette(row, index) for index, row in enumerate(rows)),
            spans=self.check_overlaps(taken, by_color),
            by_color=by_color,
            unlisted=self.read_unlisted(content),
        )

    def check_overlaps(
        self, taken: list[tuple[Span, str, int]], by_color: bool
    ) -> tuple[tuple[Span, int], ...]:
        """Return the ranges in ascending order; refuse values that occur twice."""
        rising = sorted(taken, key=lambda each: each[0])
        for (before, first, id_), (span, second, other) in pairwise(rising):
            if span[0] <= before[1]:
                # Name the one that is first in the file first.
                owners = (first, second) if id_ <= other else (second, first)
                both = (span[0], min(before[1], span[1]))
                spelt = format_color(unpack_color(span[0])) if by_color else spell_span(both)
                self.fail(
                    f"found {spelt} for {owners[0]} and for {owners[1]}", "give it to one of them."
                )
        return tuple((span, index) for span, _, index in rising)

    def read_unlisted(self, content: Mapping[str, Any]) -> str:
        found = content.get("unlisted", UNLISTED[0])
        if found not in UNLISTED:
            expected = ", ".join(repr(word) for word in UNLISTED)
            self.fail(f"unlisted is {shown(found)}, expected one of {expected}", "correct it.")
        return str(found)

    def check_keys(self, table: Mapping[str, Any], known: set[str], label: str) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}."
                self.fail(f"found the key {shown(key)} in {label}", hint)

    def read_name(self, row: Mapping[str, Any], index: int) -> str:
        self.check_keys(row, _FIELDS, f"class {index}")
        name = row.get("name")
        if not isinstance(name, str) or not name.strip():
            self.fail(f"class {index} has the name {shown(name)}", 'write name = "...".')
        return name.strip()

    def read_row(self, row: Mapping[str, Any], owner: str, by_color: bool) -> list[Span]:
        """Return the ranges of mask values of one class."""
        if "value" in row and "values" in row:
            self.fail(f"{owner} has a value and values", "write all of them under values.")
        field = "color" if by_color else "values" if "values" in row else "value"
        if field not in row:
            hint = "give every class a value, or give none a value and each a color."
            self.fail(f"{owner} has no {field}", hint)
        return self.read_keys(row[field], owner, by_color, ranges=field == "values")

    def read_keys(self, given: object, owner: str, by_color: bool, *, ranges: bool) -> list[Span]:
        if by_color:
            return [(key, key) for key in self.read_colors(given, owner)]
        if ranges:
            return self.read_ranges(given, owner)
        return [(value, value) for value in self.read_values(given, owner)]

    def read_ranges(self, given: object, owner: str) -> list[Span]:
        spans = parse_spans(given)
        if spans is None:
            hint = f'write values = "128-255", or a list of ranges and numbers in 0..{MOST_VALUE}.'
            self.fail(f"{owner} has the values {shown(given)}", hint)
        return spans

    def read_values(self, given: object, owner: str) -> list[int]:
        values: list[Any] = given if isinstance(given, list) else [given]
        for value in values:
            is_int = isinstance(value, int) and not isinstance(value, bool)
            if not (is_int and 0 <= value <= MOST_VALUE):
                found = f"{owner} has the value {shown(value)}"
                hint = f"write a whole number in 0..{MOST_VALUE}, or a list of them."
                if isinstance(value, str) and parse_spans(value):
                    hint = f'write a range as values = "{value}".'
                self.fail(found, hint)
        return list(values)

    def read_colors(self, given: object, owner: str) -> list[int]:
        several = isinstance(given, list) and not all(isinstance(part, int) for part in given)
        colors = given if several and isinstance(given, list) else [given]
        return [pack_color(self.read_color(color, owner)) for color in colors]

    def read_color(self, given: object, owner: str) -> Color:
        channels: object = given
        if isinstance(given, str) and len(given) == 7 and given.startswith("#"):
            try:
                channels = list(bytes.fromhex(given[1:]))
            except ValueError:
                channels = None
        if isinstance(channels, list) and len(channels) == 3:
            red, green, blue = channels
            if all(type(part) is int and 0 <= part <= 255 for part in (red, green, blue)):
                return red, green, blue
        return self.fail(f"{owner} has the color {shown(given)}", 'write "#rrggbb" or [r, g, b].')

    def read_palette(self, row: Mapping[str, Any], index: int) -> Color:
        if "color" not in row:
            return choose_color(index)
        return unpack_color(self.read_colors(row["color"], f"class {row['name']!r}")[0])
