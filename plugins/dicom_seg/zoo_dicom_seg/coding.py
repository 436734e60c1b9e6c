# SPDX-License-Identifier: Apache-2.0
"""Codes of classes: what the segments of a class are, in words of a terminology."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["Code", "Coding", "code_of", "read_codes"]

SHIPPED = Path(__file__).with_name("codes.toml")
_LIMITS = Limits(2**20, depth=4)
_KEYS = ("category", "type")
_MOST_CHARACTERS = (16, 16, 64)  # PS3.6 and PS3.5, 6.2: SH, SH and LO
_FORM = '[lung], category = ["91723000", "SCT", "Anatomical Structure"], type = [...]'


@dataclass(frozen=True, slots=True)
class Code:
    """A word of a terminology.

    Args:
        value: The code, at most 16 characters.
        scheme: Its terminology, such as ``SCT``.
        meaning: Its words for people, at most 64 characters.
    """

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Coding:
    """What a segment is.

    Args:
        category: The kind of thing, of DICOM's CID 7150.
        type: The thing itself.
    """

    category: Code
    type: Code


def read_codes(path: Path | None = None) -> dict[str, Coding]:
    """Return the codes of classes by plain name: those shipped, and those of a file before them.

    Args:
        path: A TOML file with a table for each class; None for those shipped alone.

    Raises:
        DataError: The file cannot be read, or is not of that form.
    """
    codes = _read(SHIPPED)
    return codes if path is None else {**codes, **_read(path)}


def code_of(codes: Mapping[str, Coding], name: str) -> Coding:
    """Return the codes of a class.

    Args:
        codes: As :func:`read_codes` returns them.
        name: Of the class.

    Raises:
        DataError: There are none: a segment without codes would say nothing.
    """
    found = codes.get(_plain(name))
    if found is None:
        message = f"cannot write segments of the class {shown(name)}: found no codes for it, "
        message += f"expected one of {', '.join(codes)}."
        hint = f"write them into a file and give it with --codes: {_FORM}."
        raise DataError(message, hint=hint)
    return found


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def _read(path: Path) -> dict[str, Coding]:
    try:
        content = read_toml(path, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot read the codes: {reason_of(error)}."
        raise DataError(message, path=path, hint="give a TOML file with --codes.") from error
    return {_plain(name): _coding(name, row, path) for name, row in content.items()}


def _coding(name: str, row: Any, path: Path) -> Coding:
    if not isinstance(row, dict) or sorted(row) != sorted(_KEYS):
        raise _wrong(name, f"{shown(row)}, expected a table of {' and '.join(_KEYS)}", path)
    return Coding(*(_code(f"{name}.{key}", row[key], path) for key in _KEYS))


def _code(name: str, words: Any, path: Path) -> Code:
    is_code = isinstance(words, list) and len(words) == len(_MOST_CHARACTERS)
    if not is_code or not all(
        isinstance(word, str)
        and word.strip() == word
        and 0 < len(word) <= most
        and word.isprintable()
        and "\\" not in word
        for word, most in zip(words, _MOST_CHARACTERS, strict=True)
    ):
        expected = "value, scheme and meaning of at most 16, 16 and 64 characters"
        raise _wrong(name, f"{shown(words)}, expected {expected}", path)
    return Code(*words)


def _wrong(name: str, found: str, path: Path) -> DataError:
    message = f"cannot use the codes of {name!r}: found {found}."
    return DataError(message, path=path, hint=f"write {_FORM}.")
