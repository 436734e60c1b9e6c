# SPDX-License-Identifier: Apache-2.0
"""What was found for a plugin, before it is written; and how it is spelled."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from zoo.texts import printable

__all__ = ["UNSTATED", "Imported", "licence_of", "one_line", "toml_text"]

UNSTATED = "LicenseRef-unstated"
_LICENCES = {
    "Apache-2.0": r"apache(?: software)?[ -]?(?:license|licence)?,?[ -]*(?:version )?2(?:\.0)?",
    "MIT": r"\bmit(?: license| licence)?\b",
    "BSD-3-Clause": r"\bbsd[ -]3",
}


@dataclass(slots=True)
class Imported:
    """The parts of a plugin that come from a folder.

    Attributes:
        summary: One line.
        version: Of the manifest.
        licence: An SPDX expression.
        licence_text: Content of ``LICENSE``, or empty.
        notice: A sentence for everybody who sees results, or empty.
        rows: Of the manifest, as TOML.
        distributions: Requirements.
        files: Path in the package -> content.
        sections: Of the README, with their headings.
    """

    summary: str
    version: str = "0.1.0"
    licence: str = UNSTATED
    licence_text: str = ""
    notice: str = ""
    rows: list[str] = field(default_factory=list)
    distributions: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    sections: list[str] = field(default_factory=list)


def one_line(text: object, most: int = 100) -> str:
    """Return a text that fits between quotes in TOML and Python, on one line.

    Args:
        text: Any value.
        most: Number of characters.
    """
    line = " ".join(str(text).split()).replace("\\", "/").replace('"', "'")
    return printable(line)[:most].replace("\\", "/").strip(" .")


def toml_text(text: str) -> str:
    """Return a text as TOML spells it.

    Args:
        text: Any text.
    """
    whole = text.encode("utf-8", "replace").decode()  # half a pair of UTF-16 is no character
    # JSON's escapes are TOML's too, but for pairs of UTF-16, and for DEL, which JSON leaves.
    quoted = json.dumps(whole, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)


def licence_of(text: str) -> str:
    """Return the SPDX expression of a licence's name or text, or `UNSTATED`.

    Args:
        text: ``Apache License 2.0``, or the first lines of a file.
    """
    start = " ".join(text[:400].split())
    for name, pattern in _LICENCES.items():
        if start == name or re.search(pattern, start, re.IGNORECASE):
            return name
    return UNSTATED
