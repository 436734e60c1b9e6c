# SPDX-License-Identifier: Apache-2.0
"""Read class names from a list in the folder, as annotation tools and data sets write it.

::

    background:0,0,0::            CVAT's labelmap.txt
    name,r,g,b                    class_dict.csv: a header, then one line per class
    64 128 64   Animal            CamVid's label_colors.txt
    0,background                  id and name, or name and id
    background                    one name per line, in the order of the ids
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zoo.data import Source
from zoo_folder_data.guess import Group

__all__ = ["ClassNames", "find_class_names", "parse_class_names"]

_SUFFIXES = (".txt", ".csv", ".names")
_MOST_BYTES, _MOST_FILES, _MOST_CHARS = 100_000, 20, 200
_FILE_NAME = re.compile(r"label|class|colou?r|palette|categor|names", re.IGNORECASE)
_SKIPPED = re.compile(r"(#.*|//.*|__ignore__|(id|name|class|label)s?\s*[,;\t].*)?", re.IGNORECASE)
_COLOR = r"(?P<red>\d{1,3})[,;\s]+(?P<green>\d{1,3})[,;\s]+(?P<blue>\d{1,3})"
_FORMS = (
    re.compile(rf"(?P<name>[^\d\s:,;][^:,;\t]*?)\s*[:,;\s]\s*{_COLOR}(\D.*)?"),
    re.compile(rf"{_COLOR}[,;\s]+(?P<name>[^\d\s].*)"),
)
_IDS = (
    re.compile(r"(?P<id>\d{1,5})\s*[:,;\s]\s*(?P<name>[^\d\s].*)"),
    re.compile(r"(?P<name>[^\d\s:,;][^:,;\t]*?)\s*[:,;\t]\s*(?P<id>\d{1,5})"),
)
_NAME = re.compile(r"[^\W\d][\w \-./()&]{0,60}")


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Names by packed colour, by mask value, or in the order of the classes.

    Args:
        by_color: Names from lines with three numbers, by packed colour.
        by_value: Names from lines with one number, by mask value.
        in_order: Names from lines without a number.
    """

    by_color: Mapping[int, str] = field(default_factory=dict)
    by_value: Mapping[int, str] = field(default_factory=dict)
    in_order: Sequence[str] = ()

    def find(self, groups: Sequence[Group], *, by_color: bool) -> list[str] | None:
        """Return a name for each class, or None if the list does not name all of them.

        Args:
            groups: The classes.
            by_color: Whether the keys of the classes are packed colours.
        """
        known = self.by_color if by_color else self.by_value or dict(enumerate(self.in_order))
        names = [known.get(group.key, "") for group in groups]
        if not all(names) and not by_color and len(self.in_order) == len(groups):
            names = list(self.in_order)
        return names if all(names) and len(set(names)) == len(names) else None


def find_class_names(source: Source) -> list[tuple[str, ClassNames]]:
    """Return the lists of classes found in a source, with their paths.

    Args:
        source: The source; reads small text files whose names mention classes or labels.
    """
    lists = [
        file.path
        for file in source.files()
        if file.suffix in _SUFFIXES and _FILE_NAME.search(file.name)
        if file.size_bytes <= _MOST_BYTES
    ]
    return [
        (path, parse_class_names(source.read(path).decode("utf-8-sig", "replace")))
        for path in lists[:_MOST_FILES]
    ]


def parse_class_names(text: str) -> ClassNames:
    r"""Return the names in a list of classes; skip lines in an unknown form.

    Args:
        text: Content of the file.

    Example:
        >>> parse_class_names("name,r,g,b\nroad,128,64,128").by_color
        {8405120: 'road'}
    """
    by_color: dict[int, str] = {}
    by_value: dict[int, str] = {}
    in_order: list[str] = []
    for line in text.splitlines():
        text = line.strip()
        if len(text) > _MOST_CHARS or _SKIPPED.fullmatch(text):
            continue
        color = next((found for form in _FORMS if (found := form.fullmatch(text))), None)
        number = next((found for form in _IDS if (found := form.fullmatch(text))), None)
        if color is not None:
            red, green, blue = (int(color[name]) for name in ("red", "green", "blue"))
            by_color[red << 16 | green << 8 | blue] = color["name"].strip()
        elif number is not None:
            by_value[int(number["id"])] = number["name"].strip()
        elif _NAME.fullmatch(text):
            in_order.append(text)
    if by_color:
        return ClassNames(by_color, dict(enumerate(by_color.values())))
    return ClassNames({}, by_value, tuple(in_order) if not by_value else ())
