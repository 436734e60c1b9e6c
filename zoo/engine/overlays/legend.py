# SPDX-License-Identifier: Apache-2.0
"""Label maps drawn over their pictures: translucent fill, contour, and a legend below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.errors import DataError
from zoo.texts import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LegendEntry",
    "add_legend",
    "default_palette",
    "draw_overlay",
    "is_background",
    "nothing_found",
    "short_name",
    "to_rgb",
]

# Tuned by eye from 64 px to 6000 px: text is about a thirtieth of the picture's side.
TEXT_PER_SIDE = 30
TEXT_MIN_PX, TEXT_MAX_PX = 11, 180
MIN_ROWS = 6
MAX_NAME_CHARS = 40
STRIP_COLOR = (24, 24, 28)
TEXT_COLOR = (238, 238, 238)
_BACKGROUND_NAMES = frozenset({"background", "_background_", "bg", "unlabeled", "unlabelled"})
# Okabe and Ito 2008, "Color Universal Design": told apart with any kind of colour vision.
_DISTINCT = (
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (213, 94, 0),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
)


def is_background(name: str) -> bool:
    """Return whether a class is the ground that is left unpainted, by its name."""
    return name.strip().casefold() in _BACKGROUND_NAMES


def default_palette(classes: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Return one RGB colour per class for a model that brings none; the background is black.

    Source:
        The first seven are the colours of Okabe and Ito 2008; later ones are stepped around the
        hue circle by the golden ratio, so that neighbours in number differ in hue.
    """
    colors: list[tuple[int, int, int]] = []
    painted = 0
    for name in classes:
        if is_background(name):
            colors.append((0, 0, 0))
            continue
        colors.append(_DISTINCT[painted] if painted < len(_DISTINCT) else _hue_color(painted))
        painted += 1
    return tuple(colors)


def draw_overlay(
    image: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> NDArray[np.uint8]:
    """Return the picture with its labels painted over it and a legend strip below.

    The picture keeps its size and its place, top left: ``overlay[:H, :W]`` is the painted
    picture. A class called background (see :func:`is_background`) and ids without a class are
    left as they are. The legend names each painted class that occurs, largest first, with its share
    of the pixels; a picture narrower than one legend entry gets a wider canvas.

    Args:
        image: ``(H, W)`` grey or ``(H, W, 3)`` RGB.
        labels: ``(H, W)`` class ids.
        classes: The name of each id.
        palette: The RGB colour of each id, 0 to 255.

    Returns:
        ``(H + strip, >= W, 3)`` RGB.

    Raises:
        DataError: Image and labels differ in size.
    """
    from zoo.data import draw_overlay as paint

    if image.shape[:2] != labels.shape:
        message = (
            f"cannot draw an overlay: the image is {image.shape[1]}x{image.shape[0]} pixels, "
            f"the labels are {labels.shape[1]}x{labels.shape[0]}, expected equal sizes."
        )
        raise DataError(message)
    counts = np.bincount(labels.ravel(), minlength=256)
    painted = [i for i, name in enumerate(classes) if counts[i] and not is_background(name)]
    skipped = [i for i in range(len(classes)) if i not in painted]
    picture = paint(image, labels, [to_rgb(color) for color in palette], skip=skipped)
    entries = [
        LegendEntry(
            f"{short_name(classes[i])} {_percent(counts[i] / labels.size)}", to_rgb(palette[i])
        )
        for i in sorted(painted, key=lambda i: (-counts[i], i))
    ]
    return add_legend(picture, entries or [nothing_found(classes)])


class LegendEntry(NamedTuple):
    """One entry of a legend: its text, and the colour of its swatch if it has one."""

    text: str
    color: tuple[int, int, int] | None


def add_legend(picture: NDArray[np.uint8], entries: Sequence[LegendEntry]) -> NDArray[np.uint8]:
    """Return a picture with a legend in a strip below.

    Args:
        picture: ``(H, W, 3)`` RGB.
        entries: One or more, in their order.

    Returns:
        ``(H + strip, >= W, 3)`` RGB.
    """
    return _stack(picture, _legend(entries, picture.shape[0], picture.shape[1]))


def nothing_found(classes: Sequence[str]) -> LegendEntry:
    """Return the entry of a picture in which none of the classes was found."""
    names = [name for name in classes if not is_background(name)]
    return LegendEntry(f"no {short_name(names[0]) if len(names) == 1 else 'class'} found", None)


def _legend(entries: Sequence[LegendEntry], height: int, width: int) -> NDArray[np.uint8]:
    """Return the strip below a picture of this size, of its width or as wide as one entry."""
    from PIL import Image, ImageDraw

    entries = [entry._replace(text=printable(entry.text)) for entry in entries]
    side = math.sqrt(height * width)
    text_px = max(TEXT_MIN_PX, min(TEXT_MAX_PX, round(side / TEXT_PER_SIDE)))
    gap = max(4, text_px // 2)
    font = _font(text_px)

    def width_px(entry: LegendEntry) -> int:
        swatch = 0 if entry.color is None else text_px + gap
        return math.ceil(float(font.getlength(entry.text))) + swatch

    row_px = text_px + gap
    max_rows = max(MIN_ROWS, height // 3 // row_px)
    canvas_px = max([width, *(width_px(entry) + 2 * gap for entry in entries)])
    rows = _rows(entries, [width_px(entry) + 2 * gap for entry in entries], canvas_px, max_rows)
    strip = Image.new("RGB", (canvas_px, len(rows) * row_px + gap), STRIP_COLOR)
    draw = ImageDraw.Draw(strip)
    for line, row in enumerate(rows):
        x, y = gap, gap + line * row_px
        for entry in row:
            left = x
            if entry.color is not None:
                box = (x, y, x + text_px - 1, y + text_px - 1)
                draw.rectangle(box, fill=entry.color, outline=TEXT_COLOR)
                left += text_px + gap
            draw.text((left, y + text_px // 2), entry.text, TEXT_COLOR, font, anchor="lm")
            x += width_px(entry) + 2 * gap
    return np.asarray(strip, np.uint8)


def _rows(
    entries: Sequence[LegendEntry], widths_px: Sequence[int], canvas_px: int, max_rows: int
) -> list[list[LegendEntry]]:
    """Fill rows from left to right; what does not fit becomes one line that counts it."""
    rows: list[list[LegendEntry]] = [[]]
    used_px = 0
    for entry, width_px in zip(entries, widths_px, strict=True):
        if rows[-1] and used_px + width_px > canvas_px:
            rows.append([])
            used_px = 0
        rows[-1].append(entry)
        used_px += width_px
    if len(rows) > max_rows:
        shown = rows[: max_rows - 1]
        rest = len(entries) - sum(len(row) for row in shown)
        rows = [*shown, [LegendEntry(f"and {rest} more", None)]]
    return rows


def _font(size_px: int) -> Any:
    """Return DejaVu Sans, which matplotlib ships, so that names need not be ASCII."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size_px)


def _stack(picture: NDArray[np.uint8], strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    canvas = np.empty((height + strip.shape[0], strip.shape[1], 3), np.uint8)
    canvas[:] = STRIP_COLOR
    canvas[:height, :width] = picture
    canvas[height:] = strip
    return canvas


def _percent(fraction: float) -> str:
    percent = 100 * fraction
    return f"{percent:.1f} %" if percent >= 0.05 else "<0.1 %"


def short_name(name: str) -> str:
    """Return a class name, its end left out if it is longer than 40 letters."""
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"


def to_rgb(color: Sequence[int]) -> tuple[int, int, int]:
    """Return the first three numbers of a colour as plain integers."""
    red, green, blue = (int(value) for value in color[:3])
    return red, green, blue


def _hue_color(index: int) -> tuple[int, int, int]:
    import colorsys

    golden = (math.sqrt(5) - 1) / 2
    red, green, blue = colorsys.hsv_to_rgb((index * golden) % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
