# SPDX-License-Identifier: Apache-2.0
"""Texts of manifests as a page shows them: printable, of bounded length, with units."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from zoo.texts import printable, unit_text

__all__ = [
    "breakable",
    "exact",
    "line",
    "short_count",
    "size_text",
    "value_text",
    "without_controls",
]

_MOST_CHARACTERS = 600
# Control characters, marks that reverse the text around them, and halves of characters.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def line(text: object, most: int = _MOST_CHARACTERS) -> str:
    r"""Return a text on one line, with unprintable characters escaped and the rest cut off.

    Args:
        text: Any value from a manifest; None is an empty text.
        most: Largest number of characters.

    Example:
        >>> line("a\u202eb"), line("12345678", most=4)
        ('a\\u202eb', '123…')
    """
    given = "" if text is None else str(text)[: most + 1]
    given = " ".join(given.split()) if not given.isprintable() else given
    return printable(given if len(given) <= most else f"{given[: most - 1]}…")


def exact(text: str) -> str:
    """Return a text that is to be copied, on one line and whole.

    Args:
        text: Such as an address or a digest.
    """
    return line(text, 4_000)


def breakable(name: str) -> Markup:
    """Return a name as HTML that may break after its hyphens, dots and the like.

    Args:
        name: A name of a model or a plugin.
    """
    parts = re.split(r"(?<=[_./@-])", name)
    return Markup("<wbr>").join(escape(part) for part in parts)


def without_controls(text: str) -> str:
    """Return a text of several lines without characters that control how it is shown.

    Args:
        text: Such as a card.
    """
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


def size_text(size_bytes: int | None) -> str:
    """Return a size with a decimal unit, or an empty text.

    Args:
        size_bytes: Size of a file, or None.

    Example:
        >>> size_text(7_290_312), size_text(512), size_text(3_100_000_000)
        ('7.3 MB', '512 B', '3.1 GB')
    """
    return "" if size_bytes is None else _scaled(size_bytes, ("B", "kB", "MB", "GB", "TB"), " ")


def short_count(number: int | None) -> str:
    """Return a number of parameters in short, or an empty text.

    Args:
        number: Number of parameters, or None.

    Example:
        >>> short_count(1_814_610), short_count(999)
        ('1.8 M', '999')
    """
    return "" if number is None else _scaled(number, ("", "k", "M", "G", "T"), " ").strip()


def _scaled(number: int, units: tuple[str, ...], space: str) -> str:
    value, left = float(number), list(units)
    while value >= 999.95 and len(left) > 1:
        value, left = value / 1000, left[1:]
    digits = f"{value:.0f}" if left[0] == units[0] else f"{value:.1f}"
    return f"{digits}{space}{left[0]}"


def value_text(value: float, unit: str) -> str:
    """Return the value of a metric with its unit.

    Args:
        value: The value.
        unit: Its unit.

    Example:
        >>> value_text(0.97384, "fraction"), value_text(44.5, "percent"), value_text(3, "px")
        ('0.9738', '44.5%', '3 px')
    """
    return f"{value:.4g}{unit_text(unit)}"
