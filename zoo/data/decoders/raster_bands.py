# SPDX-License-Identifier: Apache-2.0
"""Choose the bands of a raster that form an image, with notes for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import DataError

__all__ = ["Bands", "band_options", "choose_bands", "parse_bands"]

_COLORS = ("red", "green", "blue")
_FIRST = (1, 2, 3)
_MOST_BANDS = 65535
_HINT = "use for example --bands 3,2,1."


@dataclass(frozen=True, slots=True)
class Bands:
    """The bands to read, and notes on the others.

    Args:
        numbers: Band numbers from 1: one for grey, or red, green and blue.
        notes: Notes for the report; empty if the file names exactly these bands.
    """

    numbers: tuple[int, ...]
    notes: tuple[str, ...] = ()


def parse_bands(text: str | None) -> tuple[int, int, int] | None:
    """Parse band numbers such as ``3,2,1``, from 1; None for None and ``""``.

    Args:
        text: Three numbers with commas between them.

    Raises:
        DataError: It is something else.
    """
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
        red, green, blue = (int(part) if len(part) < 6 else 0 for part in parts)
        if all(0 < number <= _MOST_BANDS for number in (red, green, blue)):
            return red, green, blue
    message = f"cannot choose the bands {text!r}: expected three numbers from 1, "
    message += "of red, green and blue."
    raise DataError(message, where="--bands", hint=_HINT)


def band_options(bands: tuple[int, int, int] | None) -> dict[str, list[int]]:
    """Return the choice for ``dataset.json``; empty without a choice, as in older versions.

    Args:
        bands: Numbers of the red, green and blue band, from 1; None if none were chosen.
    """
    return {} if bands is None else {"bands": list(bands)}


def choose_bands(
    colors: Sequence[str],
    names: Sequence[str],
    asked: tuple[int, int, int] | None,
    where: str,
) -> Bands:
    """Return the bands that form an image.

    If the file names red, green and blue, returns those. The "RGB" tag of a TIFF with three or
    four bands does not count as a name, because GDAL writes it by default, so ``asked`` takes
    precedence. Without either, returns the first three bands, or the first of two.

    Args:
        colors: Colour of each band according to GDAL: ``red``, ``gray``, ``undefined``, ...
        names: Name of each band in the file, or ``""``.
        asked: Bands chosen by the user.
        where: How error messages name the file.

    Raises:
        DataError: A chosen band does not exist.
    """
    count = len(colors)
    named = _find_colors([name.strip().casefold() for name in names])
    shown = _find_colors(colors)
    if named is None and shown not in (None, _FIRST):
        named = shown
    if named is not None:
        notes = _dropped(count, named)
        if asked not in (None, named):
            notes = (*notes, "its own labels of red, green and blue take precedence over --bands")
        return Bands(named, notes)
    if asked is not None:
        _check_asked(asked, count, where)
        return Bands(asked, _dropped(count, asked))
    if count < 3:
        return Bands((1,), _dropped(count, (1,)))
    if shown is not None:
        return Bands(shown, _dropped(count, shown))
    note = f"bands 1, 2 and 3 of {count} read as red, green and blue, because the file does not "
    note += "label them (--bands 3,2,1 chooses others)"
    return Bands(_FIRST, (note,))


def _find_colors(names: Sequence[str]) -> tuple[int, int, int] | None:
    if not set(_COLORS) <= set(names):
        return None
    red, green, blue = (names.index(color) + 1 for color in _COLORS)
    return red, green, blue


def _dropped(count: int, kept: tuple[int, ...]) -> tuple[str, ...]:
    """Return a note on dropped bands, if any."""
    others = [str(number) for number in range(1, count + 1) if number not in kept]
    if not others:
        return ()
    if len(others) > 4:
        return (f"{len(others)} of {count} bands dropped",)
    listed = others[0] if len(others) == 1 else f"{', '.join(others[:-1])} and {others[-1]}"
    return (f"band{'s' if len(others) > 1 else ''} {listed} dropped",)


def _check_asked(asked: tuple[int, int, int], count: int, where: str) -> None:
    if max(asked) > count:
        message = f"cannot read {where.rsplit('/', 1)[-1]!r}: found {count} bands, "
        message += f"expected band {max(asked)} of --bands."
        hint = f"choose from 1 to {count}, or remove the file."
        raise DataError(message, path=where, hint=hint)
