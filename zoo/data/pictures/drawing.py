# SPDX-License-Identifier: Apache-2.0
"""Labels drawn over pictures: a translucent fill, a contour, and a legend that names them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from zoo.data.pictures.pixels import load_cv2
from zoo.texts import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.pictures.pixels import Image

__all__ = [
    "Outline",
    "draw_legend",
    "draw_outlines",
    "draw_overlay",
    "draw_text",
    "fit_text",
    "text_width",
]

Color = tuple[int, int, int]

_TEXT: Color = (235, 235, 235)
_GROUND: Color = (24, 26, 30)
_FONT_SCALE = 0.45
_LINE_PX = 22
_HATCH_PX = 6
_MOST_CHARACTERS = 1_000
_MOST_CLASSES = 256  # in a legend


def draw_overlay(
    image: Image,
    labels: Image,
    palette: Sequence[Color],
    *,
    opacity: float = 0.35,
    skip: Collection[int] = (0,),
    contour_px: int = 0,
) -> Image:
    """Return the picture with each class filled in its colour and outlined.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8.
        labels: ``(H, W)`` ids; those without a colour, as 255, are left alone.
        palette: RGB of each class.
        opacity: Of the fill, in ``[0, 1]``.
        skip: Ids that are not drawn, usually the background's.
        contour_px: Width of the outline; 0 chooses it by the picture's size.

    Returns:
        ``(H, W, 3)`` RGB, uint8.
    """
    import numpy as np

    cv2 = load_cv2()
    canvas = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.copy()
    width_px = contour_px or max(1, round(max(labels.shape) / 400))
    for index, color in enumerate(palette):
        region = (labels == index).astype(np.uint8)
        if index in skip or not region.any():
            continue
        chosen = region.astype(bool)
        fill = (1 - opacity) * canvas[chosen] + opacity * np.asarray(color)
        canvas[chosen] = np.rint(fill).astype(np.uint8)
        outlines, _ = cv2.findContours(region, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        canvas = cv2.drawContours(canvas, outlines, -1, color, width_px, cv2.LINE_AA)
    drawn: Image = canvas
    return drawn


class Outline(NamedTuple):
    """What encloses something: it is filled where an odd number of the rings is around.

    Args:
        rings: ``(n, 2)`` x and y in px each, where 0.5 is the centre of the first pixel; the outer
            ones and those of holes, in any order.
        color: RGB.
        is_crowd: Whether it is a region of objects that nobody told apart.
    """

    rings: Sequence[NDArray[np.float64]]
    color: Color
    is_crowd: bool = False


def draw_outlines(
    image: Image, outlines: Sequence[Outline], *, opacity: float = 0.3, contour_px: int = 1
) -> Image:
    """Return the picture with each outline filled in its colour and drawn; crowds are hatched.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8.
        outlines: In px of the picture.
        opacity: Of the fill, in ``[0, 1]``.
        contour_px: Width of the line.

    Returns:
        ``(H, W, 3)`` RGB, uint8.
    """
    import numpy as np

    cv2 = load_cv2()
    canvas = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.copy()
    fill = canvas.copy()
    # OpenCV takes fractions of a pixel as whole numbers, here sixteenths, from pixel centres.
    points = [
        [np.rint((np.asarray(ring) - 0.5) * 16).astype(np.int32) for ring in outline.rings]
        for outline in outlines
    ]
    for rings, outline in zip(points, outlines, strict=True):
        if rings and not outline.is_crowd:
            cv2.fillPoly(fill, rings, outline.color, cv2.LINE_AA, shift=4)
    canvas = cv2.addWeighted(fill, opacity, canvas, 1 - opacity, 0)
    for rings, outline in zip(points, outlines, strict=True):
        if outline.is_crowd:
            canvas[_hatch(rings, canvas.shape[:2])] = outline.color
        if rings:
            cv2.polylines(canvas, rings, True, outline.color, contour_px, cv2.LINE_AA, shift=4)
    drawn: Image = canvas
    return drawn


def _hatch(rings: Sequence[NDArray[np.int32]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return ``(H, W)`` the pixels of slanting lines inside rings, which count sixteenths."""
    import numpy as np

    inside = np.zeros(shape, np.uint8)
    if rings:
        load_cv2().fillPoly(inside, rings, 1, shift=4)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    hatched: NDArray[np.bool_] = (inside > 0) & ((rows + columns) % _HATCH_PX == 0)
    return hatched


def draw_text(canvas: Image, text: str, at: tuple[int, int], color: Color = _TEXT) -> None:
    """Write one line into ``canvas``, its left baseline at ``at`` (x, y)."""
    cv2 = load_cv2()
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, _to_ascii(text), at, font, _FONT_SCALE, color, 1, cv2.LINE_AA)


def fit_text(text: str, width_px: int) -> str:
    """Return ``text``, its middle left out if it is wider than ``width_px`` when drawn."""
    if text_width(text) <= width_px:
        return text
    text = _without_middle(text, min(len(text), _MOST_CHARACTERS))
    kept = len(text) - 1
    while kept > 1 and text_width(_without_middle(text, kept)) > width_px:
        kept -= 1
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}..{text[len(text) - kept // 2 :]}"


def text_width(text: str) -> int:
    """Return how wide a line is when drawn, in px."""
    cv2 = load_cv2()
    (width_px, _), _ = cv2.getTextSize(_to_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, 1)
    return int(width_px)


def _to_ascii(text: str) -> str:
    # OpenCV's built-in font has no other letters.
    return printable(text[:_MOST_CHARACTERS]).encode("ascii", "replace").decode()


def draw_legend(classes: Sequence[str], palette: Sequence[Color], width_px: int) -> Image:
    """Return a dark strip with a swatch and a name for each class, in as many rows as it takes.

    Args:
        classes: Names.
        palette: RGB of each.
        width_px: Of the strip.

    Returns:
        ``(H, width_px, 3)`` RGB, uint8.
    """
    import numpy as np

    cv2 = load_cv2()
    if len(classes) > _MOST_CLASSES:
        more = f"and {len(classes) - _MOST_CLASSES:,} more"
        classes = [*classes[:_MOST_CLASSES], more]
        palette = [*palette[:_MOST_CLASSES], _GROUND]
    places = []
    x, row = 8, 0
    for name in classes:
        needed = 20 + text_width(name) + 18
        if x + needed > width_px and x > 8:
            x, row = 8, row + 1
        places.append((x, row))
        x += needed
    height_px = (row + 1) * _LINE_PX + 6
    strip = np.full((height_px, width_px, 3), _GROUND, np.uint8)
    for name, color, (left, line) in zip(classes, palette, places, strict=True):
        top = 3 + line * _LINE_PX + 5
        cv2.rectangle(strip, (left, top), (left + 12, top + 12), color, cv2.FILLED)
        cv2.rectangle(strip, (left, top), (left + 12, top + 12), _TEXT, 1)
        draw_text(strip, name, (left + 20, top + 11))
    return strip
