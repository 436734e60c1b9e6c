# SPDX-License-Identifier: Apache-2.0
r"""Draw text in any script on images, with a font from Python packages or the system.

Letters missing from all fonts on this machine are escaped (``\u80ba``), with a warning.
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
_TOLD: set[str] = set()  # letters already warned about
_NO_LETTER = "\U0010ffff"  # in no font, so it renders as the missing glyph


def draw_text(
    canvas: Image,
    text: str,
    at: tuple[int, int],
    color: Color = _TEXT,
    *,
    size_px: int = _SIZE_PX,
    outline: Color | None = None,
) -> None:
    """Write one line on ``canvas``, clipped at its edges.

    Args:
        canvas: ``(H, W, 3)`` RGB, uint8.
        text: One line; unprintable characters are escaped.
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
    """Return the width of a line in px.

    Args:
        text: One line.
        size_px: Font size.
    """
    lengths: list[float] = [font.getlength(run) for run, font in _runs(text, size_px)]
    return math.ceil(sum(lengths))


def text_height(size_px: int = _SIZE_PX) -> int:
    """Return the height of capital letters and digits above the baseline, in px.

    Args:
        size_px: Font size.
    """
    top: float = _font(_first_font(), size_px).getbbox("H0", anchor="ls")[1]
    return math.ceil(-top)


def fit_text(text: str, width_px: int, size_px: int = _SIZE_PX) -> str:
    """Return ``text``, shortened in the middle if it is wider than ``width_px``.

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
    """Yield parts of a line with a font that has their letters."""
    for path, letters in groupby(_spelled(text[:_MOST_CHARACTERS]), _font_of):
        yield "".join(letters), _font(path, size_px)


@functools.lru_cache(maxsize=1024)
def _spelled(text: str) -> str:
    """Return a text with letters that cannot be drawn escaped."""
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
    """Return a font file with a letter, else the default one; None for Pillow's built-in font."""
    first = _first_font()
    if _has(first, letter):
        return first
    return next((path for path in _system_fonts() if _has(path, letter)), first)


@functools.cache
def _first_font() -> str | None:
    """Return DejaVu Sans from matplotlib, which has most alphabets; else None."""
    # Without importing matplotlib, which takes longer than drawing.
    found = importlib.util.find_spec("matplotlib")
    for folder in [] if found is None else found.submodule_search_locations or []:
        path = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if path.is_file():
            return str(path)
    return None


@functools.cache
def _system_fonts() -> list[str]:
    """Return the fonts of this machine, plain sans-serif ones first."""
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
    except OSError:  # such as colour bitmap fonts, which have one size
        return False
    return bool(drawn.getbbox()) and (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
