# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.legend, by tools/runtime_copies.py.
"""The legend below every image that zoo draws: colour swatches with names, then notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from zoo_runtime.copied.texts import printable
from zoo_runtime.lettering import Color, draw_text, fit_text, text_height, text_width

if TYPE_CHECKING:
    from zoo_runtime.copied.pictures.pixels import Image

__all__ = ["LegendEntry", "add_legend", "draw_legend", "legend_strip", "legend_text_px"]

GROUND: Color = (24, 26, 30)
_TEXT: Color = (238, 238, 238)
_NOTE: Color = (176, 180, 188)
# Tuned by eye from 32 px to 6000 px: text size is about 1/36 of the side of the image.
_TEXT_PER_SIDE = 36
_TEXT_MIN_PX, _TEXT_MAX_PX = 11, 180
_LEAST_ROWS = 6
_TEXT_PX = 14  # without an image
_MOST_ENTRIES = 256
_MOST_CHARACTERS = 400  # per entry


class LegendEntry(NamedTuple):
    """One entry of a legend: its text, and the colour of its swatch if it has one."""

    text: str
    color: Color | None


def legend_text_px(height_px: int, width_px: int) -> int:
    """Return a suitable text size in px for an image of some size.

    Args:
        height_px: Height of the picture.
        width_px: Width of the picture.
    """
    side_px = math.sqrt(height_px * width_px)
    return max(_TEXT_MIN_PX, min(_TEXT_MAX_PX, round(side_px / _TEXT_PER_SIDE)))


def add_legend(picture: Image, entries: Sequence[LegendEntry], notes: Sequence[str] = ()) -> Image:
    """Return an image with a legend in a strip below, with text size to match.

    Args:
        picture: ``(H, W, 3)`` RGB.
        entries: Entries in order; those beyond half of the image height, or six rows, are only
            counted.
        notes: Sentences below the entries.

    Returns:
        ``(H + strip, >= W, 3)`` RGB; ``[:H, :W]`` is the picture.
    """
    import numpy as np

    height_px, width_px = picture.shape[:2]
    wanted_px = legend_text_px(height_px, width_px)
    # With many classes, use smaller text in more columns before leaving any out.
    for text_px in (wanted_px, max(_TEXT_MIN_PX, round(0.7 * wanted_px))):
        most_rows = max(_LEAST_ROWS, height_px // 2 // _row_px(text_px))
        strip = legend_strip(entries, width_px, text_px=text_px, most_rows=most_rows, notes=notes)
        if strip.shape[0] <= most_rows * _row_px(text_px):
            break
    canvas = np.full((height_px + strip.shape[0], strip.shape[1], 3), GROUND, np.uint8)
    canvas[:height_px, :width_px] = picture
    canvas[height_px:] = strip
    return canvas


def draw_legend(classes: Sequence[str], palette: Sequence[Color], width_px: int) -> Image:
    """Return a dark strip with a swatch and a name for each class, in as many rows as necessary.

    Args:
        classes: Class names; a name that is too long loses its middle.
        palette: RGB colour of each class.
        width_px: Width of the strip.

    Returns:
        ``(H, width_px, 3)`` RGB, uint8.
    """
    room_px = max(_TEXT_PX, width_px - 2 * _gap_px(_TEXT_PX) - _swatch_and_gap_px(_TEXT_PX))
    pairs = zip(classes[:_MOST_ENTRIES], palette, strict=False)
    entries = [LegendEntry(fit_text(printable(name), room_px), color) for name, color in pairs]
    if len(classes) > _MOST_ENTRIES:
        entries.append(LegendEntry(f"and {len(classes) - _MOST_ENTRIES:,} more", None))
    return legend_strip(entries, width_px)[:, :width_px]


def legend_strip(
    entries: Sequence[LegendEntry],
    width_px: int,
    *,
    text_px: int = _TEXT_PX,
    most_rows: int | None = None,
    notes: Sequence[str] = (),
) -> Image:
    """Return a dark strip of entries in columns with notes below.

    Args:
        entries: Entries in order, from left to right.
        width_px: Width of the strip, increased if an entry is wider.
        text_px: Size of the text.
        most_rows: Largest number of rows; other entries become one line with their count.
        notes: Sentences, wrapped between words.

    Returns:
        ``(H, >= width_px, 3)`` RGB, uint8.
    """
    import numpy as np

    gap_px, row_px = _gap_px(text_px), _row_px(text_px)
    shown = [each._replace(text=printable(each.text[:_MOST_CHARACTERS])) for each in entries]
    widths = [_entry_width(each, text_px) for each in shown]
    words = [text_width(word, text_px) for note in notes for word in printable(note).split()]
    canvas_px = max([width_px, *(width + 2 * gap_px for width in (*widths, *words))])
    columns = _columns(widths, canvas_px - gap_px, 2 * gap_px)
    if most_rows is not None and math.ceil(len(shown) / max(1, len(columns))) > most_rows:
        shown = _first(shown, (most_rows - 1) * len(columns), len(entries))
    rows = math.ceil(len(shown) / max(1, len(columns)))
    lines = [line for note in notes for line in _wrapped(note, canvas_px - 2 * gap_px, text_px)]
    strip = np.full(((rows + len(lines)) * row_px + gap_px, canvas_px, 3), GROUND, np.uint8)
    for index, entry in enumerate(shown):
        row, column = divmod(index, len(columns))
        _draw_entry(strip, entry, columns[column] + gap_px, gap_px + row * row_px, text_px)
    for index, line in enumerate(lines, rows):
        baseline = gap_px + index * row_px + (text_px + text_height(text_px)) // 2
        draw_text(strip, line, (gap_px, baseline), _NOTE, size_px=text_px)
    return strip


def _gap_px(text_px: int) -> int:
    return max(4, text_px // 2)


def _row_px(text_px: int) -> int:
    return text_px + _gap_px(text_px)


def _swatch_px(text_px: int) -> int:
    return round(0.9 * text_px)


def _swatch_and_gap_px(text_px: int) -> int:
    return _swatch_px(text_px) + _gap_px(text_px)


def _first(entries: list[LegendEntry], count: int, total: int) -> list[LegendEntry]:
    """Return the first entries, and one with the count of the others."""
    if len(entries) <= count:
        return entries
    return [*entries[:count], LegendEntry(f"and {total - count:,} more", None)]


def _entry_width(entry: LegendEntry, text_px: int) -> int:
    swatch_px = 0 if entry.color is None else _swatch_and_gap_px(text_px)
    return text_width(entry.text, text_px) + swatch_px


def _columns(widths: Sequence[int], most_px: int, gap_px: int) -> list[int]:
    """Return the left edges of as many columns as fit, sized by their widest entries."""
    for count in range(len(widths), 1, -1):
        wide = [max(widths[column::count]) + gap_px for column in range(count)]
        if sum(wide) - gap_px <= most_px:
            return [sum(wide[:column]) for column in range(count)]
    return [0]


def _wrapped(note: str, width_px: int, text_px: int) -> list[str]:
    """Break a note into lines between its words."""
    lines = [""]
    for word in printable(note).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, text_px) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _draw_entry(strip: Image, entry: LegendEntry, left: int, top: int, text_px: int) -> None:
    baseline = top + (text_px + text_height(text_px)) // 2
    if entry.color is not None:
        side_px = _swatch_px(text_px)
        above = baseline - (text_height(text_px) + side_px) // 2
        strip[above : above + side_px, left : left + side_px] = _TEXT
        strip[above + 1 : above + side_px - 1, left + 1 : left + side_px - 1] = entry.color
        left += _swatch_and_gap_px(text_px)
    draw_text(strip, entry.text, (left, baseline), _TEXT, size_px=text_px)
