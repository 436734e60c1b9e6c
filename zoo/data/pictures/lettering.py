# SPDX-License-Identifier: Apache-2.0
r"""Text in pictures, in any script: by a font that Python packages bring, else one of the system.

Letters that no font on this machine has are spelled out (``\u80ba``), with a warning.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import math
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.texts import printable

if TYPE_CHECKING:
    from zoo.data.pictures.pixels import Image

__all__ = ["Color", "draw_text", "fit_text", "text_height", "text_width"]

Color = tuple[int, int, int]

_LOG = logging.getLogger("zoo")
_TEXT: Color = (235, 235, 235)
_SIZE_PX = 13
_MOST_CHARACTERS = 1_000
_TOLD: set[str] = set()  # letters that a warning has named
_NO_LETTER = "\U0010ffff"  # no font has it, so it looks as whatever a font lacks


def draw_text(
    canvas: Image,
    text: str,
    at: tuple[int, int],
    color: Color = _TEXT,
    *,
    size_px: int = _SIZE_PX,
    outline: Color | None = None,
) -> None:
    """Write one line into ``canvas``; what lies outside of it is cut off.

    Args:
        canvas: ``(H, W, 3)`` RGB, uint8.
        text: What is not printable is escaped.
        at: Left end of the baseline, (x, y) in px.
        color: RGB.
        size_px: Height of the font.
        outline: RGB of a thin line around the letters, for text on a picture; None for none.
    """
    import numpy as np
    from PIL import Image as Pictures
    from PIL import ImageDraw

    stroke_px = 0 if outline is None else max(1, round(size_px / 9))
    x, y = float(at[0]), at[1]
    for run, font in _runs(text, size_px):
        left, top, right, bottom = font.getbbox(run, anchor="ls", stroke_width=stroke_px)
        columns = slice(max(0, math.floor(x + left)), max(0, math.ceil(x + right) + 1))
        rows = slice(max(0, math.floor(y + top)), max(0, math.ceil(y + bottom) + 1))
        part = canvas[rows, columns]
        if part.size:
            picture = Pictures.fromarray(part)
            place = (x - columns.start, y - rows.start)
            how: dict[str, Any] = {"stroke_width": stroke_px, "stroke_fill": outline}
            ImageDraw.Draw(picture).text(place, run, color, font, anchor="ls", **how)
            canvas[rows, columns] = np.asarray(picture)
        x += font.getlength(run)


def text_width(text: str, size_px: int = _SIZE_PX) -> int:
    """Return how wide a line is when drawn, in px.

    Args:
        text: One line.
        size_px: Font size.
    """
    lengths: list[float] = [font.getlength(run) for run, font in _runs(text, size_px)]
    return math.ceil(sum(lengths))


def text_height(size_px: int = _SIZE_PX) -> int:
    """Return how far capital letters and digits reach above the baseline, in px.

    Args:
        size_px: Font size.
    """
    top: float = _font(_first_font(), size_px).getbbox("H0", anchor="ls")[1]
    return math.ceil(-top)


def fit_text(text: str, width_px: int, size_px: int = _SIZE_PX) -> str:
    """Return ``text``, its middle left out if it is wider than ``width_px`` when drawn.

    Args:
        text: One line.
        width_px: Largest allowed width.
        size_px: Font size.
    """
    if text_width(text, size_px) <= width_px:
        return text
    text = _without_middle(text, min(len(text), _MOST_CHARACTERS))
    kept = len(text) - 1
    while kept > 1 and text_width(_without_middle(text, kept), size_px) > width_px:
        kept -= 1
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}..{text[len(text) - kept // 2 :]}"


def _runs(text: str, size_px: int) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a line with the font that has their letters."""
    for path, letters in groupby(_spelled(text[:_MOST_CHARACTERS]), _font_of):
        yield "".join(letters), _font(path, size_px)


@functools.lru_cache(maxsize=1024)
def _spelled(text: str) -> str:
    """Return a text in which what cannot be drawn is escaped."""
    letters = printable(text)
    missing = {each for each in letters if not _has(_font_of(each), each)}
    if missing - _TOLD:
        _TOLD.update(missing)
        message = "no font on this machine has all letters of %r: pictures spell them out; "
        message += "install one that has them, such as Noto Sans for its script."
        _LOG.warning(message, text)
    return "".join(
        each.encode("unicode_escape").decode() if each in missing else each for each in letters
    )


@functools.lru_cache(maxsize=4096)
def _font_of(letter: str) -> str | None:
    """Return the file of a font that has a letter, else the usual one; None is Pillow's own."""
    first = _first_font()
    if _has(first, letter):
        return first
    return next((path for path in _system_fonts() if _has(path, letter)), first)


@functools.cache
def _first_font() -> str | None:
    """Return DejaVu Sans, which matplotlib brings and which has most alphabets; else None."""
    # Found without importing matplotlib, which takes longer than drawing.
    found = importlib.util.find_spec("matplotlib")
    for folder in [] if found is None else found.submodule_search_locations or []:
        path = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if path.is_file():
            return str(path)
    return None


@functools.cache
def _system_fonts() -> list[str]:
    """Return the fonts of this machine, plain ones without serifs first."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    from matplotlib.font_manager import findSystemFonts

    def strangeness(path: str) -> tuple[bool, bool, str]:
        name = Path(path).name.casefold()
        return ("regular" not in name, "sans" not in name, path)

    return sorted(findSystemFonts(), key=strangeness)


@functools.lru_cache(maxsize=256)
def _font(path: str | None, size_px: int, *, is_plain: bool = False) -> Any:
    from PIL import ImageFont

    if path is None:
        return ImageFont.load_default(size_px)
    # Plain layout draws a lone accent as its glyph, the other on a circle that every font has.
    layout = ImageFont.Layout.BASIC if is_plain else None
    return ImageFont.truetype(path, size_px, layout_engine=layout)


@functools.lru_cache(maxsize=8192)
def _has(path: str | None, letter: str) -> bool:
    if letter.isspace():
        return True
    try:
        font = _font(path, 16, is_plain=True)
        drawn, missing = (font.getmask(each) for each in (letter, _NO_LETTER))
    except OSError:  # as of fonts of coloured pictures, which have one size
        return False
    return bool(drawn.getbbox()) and (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
