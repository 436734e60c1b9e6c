# SPDX-License-Identifier: Apache-2.0
r"""Text on images by OpenCV alone, whose letters are ASCII: others are escaped (``\u80ba``).

It stands for zoo's own lettering, which needs Pillow and a font.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from zoo_runtime.copied.decoders.opencv import load_cv2

if TYPE_CHECKING:
    from zoo_runtime.copied.pictures.pixels import Image

__all__ = ["Color", "draw_text", "fit_text", "text_height", "text_width"]

Color = tuple[int, int, int]

_TEXT: Color = (235, 235, 235)
_SIZE_PX = 13
_MOST_CHARACTERS = 1_000
_FONT = 0  # cv2.FONT_HERSHEY_SIMPLEX, capital letters of 21 units, and 32 from line to line
_UNITS = 30.0


def draw_text(
    canvas: Image,
    text: str,
    at: tuple[int, int],
    color: Color = _TEXT,
    *,
    size_px: int = _SIZE_PX,
) -> None:
    """Write one line on ``canvas``, clipped at its edges.

    Args:
        canvas: ``(H, W, 3)`` RGB, uint8.
        text: One line.
        at: Left end of the baseline, (x, y) in px.
        color: RGB.
        size_px: Height of the font.
    """
    cv2 = load_cv2()
    cv2.putText(
        canvas, _ascii(text), at, _FONT, size_px / _UNITS, color, _width(size_px), cv2.LINE_AA
    )


def text_width(text: str, size_px: int = _SIZE_PX) -> int:
    """Return the width of a line in px.

    Args:
        text: One line.
        size_px: Font size.
    """
    size, _ = load_cv2().getTextSize(_ascii(text), _FONT, size_px / _UNITS, _width(size_px))
    return int(size[0])


def text_height(size_px: int = _SIZE_PX) -> int:
    """Return the height of capital letters and digits above the baseline, in px.

    Args:
        size_px: Font size.
    """
    size, _ = load_cv2().getTextSize("H0", _FONT, size_px / _UNITS, _width(size_px))
    return int(size[1])


def fit_text(text: str, width_px: int, size_px: int = _SIZE_PX) -> str:
    """Return ``text``, shortened in the middle if it is wider than ``width_px``.

    Args:
        text: One line.
        width_px: Largest allowed width.
        size_px: Font size.
    """
    text = _ascii(text)
    kept = len(text)
    shown = text
    while kept > 1 and text_width(shown, size_px) > width_px:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}..{text[len(text) - kept // 2 :]}"
    return shown


@functools.lru_cache(maxsize=1024)
def _ascii(text: str) -> str:
    plain = text[:_MOST_CHARACTERS].replace("²", "^2").replace("…", "..")
    return plain.encode("ascii", "backslashreplace").decode("ascii")


def _width(size_px: int) -> int:
    return max(1, round(size_px / 20))
