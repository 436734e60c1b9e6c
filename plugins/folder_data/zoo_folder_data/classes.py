# SPDX-License-Identifier: Apache-2.0
"""The file that says which classes there are and how masks spell them.

::

    ignore = [255]            # optional: mask values, or colours, that count nowhere

    [[class]]
    name = "background"
    value = 0                 # or several: value = [0, 7]
    color = "#000000"         # how it is drawn; chosen if left out

    [[class]]
    name = "road"
    value = 1

Ids are given in the order of the file. If no class has a ``value``, masks are colour pictures and
``color`` is what they hold; it may be a list then, and the first is drawn.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from zoo.data import IGNORE_INDEX
from zoo.documents import DocumentError, Limits, parse_toml, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["ClassList", "Color", "choose_color", "format_color", "parse_classes", "unpack_color"]

_LIMITS = Limits(depth=8)

Color = tuple[int, int, int]

_FIELDS = {"name", "value", "color"}
_MOST_VALUE = 65535

# Okabe and Ito 2008, "Color Universal Design": told apart by readers of any colour vision.
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
    """The classes of a data set, and what of a mask means which.

    Args:
        names: In the order of their ids.
        palette: RGB in which each is drawn.
        ids: Id of each mask value, or of each packed colour (``r << 16 | g << 8 | b``); 255 for
            those to be ignored.
        by_color: Masks are colour pictures.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    ids: Mapping[int, int]
    by_color: bool

    def spell(self, key: int) -> str:
        """Return a mask value or a packed colour as the file of classes spells it."""
        return format_color(unpack_color(key)) if self.by_color else str(key)

    def to_options(self) -> dict[str, Any]:
        """Return the ids by spelling, for ``dataset.json``."""
        return {self.spell(key): index for key, index in sorted(self.ids.items())}


def format_color(color: Color) -> str:
    """Return ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def pack_color(color: Color) -> int:
    """Return the three channels in one number."""
    return color[0] << 16 | color[1] << 8 | color[2]


def unpack_color(key: int) -> Color:
    """Return the channels of :func:`pack_color`."""
    return key >> 16, key >> 8 & 255, key & 255


def choose_color(index: int) -> Color:
    """Return a colour for class ``index``: black, then seven told apart, dimmed round by round."""
    if index == 0:
        return (0, 0, 0)
    times, place = divmod(index - 1, len(_COLORS))
    scale = 0.7**times
    red, green, blue = (round(channel * scale) for channel in _COLORS[place])
    return red, green, blue


def parse_classes(text: str, where: str) -> ClassList:
    """Return the classes that ``text`` lists.

    Args:
        text: TOML, as the module describes it.
        where: Name of the file, for messages.

    Raises:
        DataError: It is no TOML, a key is unknown, missing or of the wrong type, values are
            given for some classes only, or two classes share a name, a value or a mask colour.
    """
    try:
        content = parse_toml(text.encode("utf-8", "surrogatepass"), _LIMITS)
    except DocumentError as error:
        message = f"cannot read the classes: {reason_of(error)}."
        raise DataError(message, path=where, hint="mend what the message names.") from error
    return _Parser(where).parse(content)


class _Parser:
    """Holds the file's name while its parts are read.

    Args:
        where: Name of the file.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, found: str, hint: str) -> NoReturn:
        raise DataError(f"cannot use the classes: {found}.", path=self.where, hint=hint)  # noqa: EM102 (built once, here)

    def parse(self, content: Mapping[str, Any]) -> ClassList:
        self.check_keys(content, {"class", "ignore"}, "the file")
        rows = content.get("class")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            self.fail("found no [[class]]", 'write [[class]], name = "...", value = 0.')
        if len(rows) > IGNORE_INDEX:
            self.fail(f"found {len(rows)}, expected at most {IGNORE_INDEX}", "join some of them.")
        names = [self.read_name(row, index) for index, row in enumerate(rows)]
        by_color = not any("value" in row for row in rows)
        ids: dict[int, int] = {}
        for index, row in enumerate(rows):
            field = "color" if by_color else "value"
            if field not in row:
                found = f"class {names[index]!r} has no {field}"
                self.fail(found, "give every class a value, or none a value and each a color.")
            self.add_keys(ids, row[field], index, names, by_color)
        ignored = content.get("ignore", [])
        if ignored:
            self.add_keys(ids, ignored, IGNORE_INDEX, names, by_color)
        palette = tuple(self.read_palette(row, index) for index, row in enumerate(rows))
        return ClassList(tuple(names), palette, ids, by_color)

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

    def add_keys(
        self, ids: dict[int, int], given: object, index: int, names: Sequence[str], by_color: bool
    ) -> None:
        owner = "ignore" if index == IGNORE_INDEX else f"class {names[index]!r}"
        if index != IGNORE_INDEX and names.index(names[index]) != index:
            self.fail(f"found {owner} twice", "rename one; a class may have several values.")
        keys = self.read_colors(given, owner) if by_color else self.read_values(given, owner)
        for key in keys:
            if key in ids:
                other = "ignore" if ids[key] == IGNORE_INDEX else f"class {names[ids[key]]!r}"
                spelt = format_color(unpack_color(key)) if by_color else str(key)
                self.fail(f"found {spelt} for {other} and for {owner}", "give it to one of them.")
            ids[key] = index

    def read_values(self, given: object, owner: str) -> list[int]:
        values: list[Any] = given if isinstance(given, list) else [given]
        for value in values:
            is_int = isinstance(value, int) and not isinstance(value, bool)
            if not (is_int and 0 <= value <= _MOST_VALUE):
                found = f"{owner} has the value {shown(value)}"
                self.fail(found, f"write a whole number in 0..{_MOST_VALUE}, or a list of them.")
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
