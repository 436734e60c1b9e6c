# SPDX-License-Identifier: Apache-2.0
"""Panels of one image side by side, with a heading, titles and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.data import resize_image
from zoo.data.pictures.legend import LegendEntry, legend_strip
from zoo.data.pictures.lettering import draw_text, fit_text, text_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compose_panels", "fit_panel", "panel_size"]

_GROUND = (24, 26, 30)
_LIGHT, _MUTED = (238, 238, 238), (176, 180, 188)
_MOST_PX, _LEAST_PX = 800, 320  # of a panel's longer side
_TEXT_LEAST_PX = 14
_TEXT_SHARE = 100  # the text's size is this part of the whole's width
_HEAD = 1.2  # times the text's size


def panel_size(height_px: int, width_px: int) -> tuple[int, int]:
    """Return the width and height at which an image is shown in a panel.

    A large image is shown smaller, a tiny one a whole number of times larger.

    Args:
        height_px: Height of the image.
        width_px: Width of the image.
    """
    longer_px = max(height_px, width_px)
    scale = min(1.0, _MOST_PX / longer_px)
    if longer_px < _LEAST_PX:
        scale = float(-(-_LEAST_PX // longer_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def fit_panel(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image at the size of a panel, the pixels of a tiny one as squares.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``, uint8.
        size: Width and height in px, as `panel_size` returns them.
    """
    times = size[0] // image.shape[1]
    if times > 1 and (image.shape[1] * times, image.shape[0] * times) == size:
        return np.repeat(np.repeat(image, times, axis=0), times, axis=1)
    return resize_image(image, size)


def compose_panels(
    panels: Mapping[str, NDArray[np.uint8]],
    *,
    name: str,
    score: str,
    entries: Sequence[LegendEntry],
    notes: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Return panels side by side, those of wide images one below the other.

    Args:
        panels: ``(h, w, 3)`` RGB of one size, by title.
        name: Of the image, above on the left.
        score: Above on the right.
        entries: Of the legend below.
        notes: Of the legend.

    Returns:
        ``(H, W, 3)`` RGB.
    """
    height_px, width_px, _ = next(iter(panels.values())).shape
    columns = 1 if width_px > 2 * height_px else len(panels)
    rows = -(-len(panels) // columns)
    text_px = max(_TEXT_LEAST_PX, round(columns * width_px / _TEXT_SHARE))
    gap_px, head_px, title_px = max(8, text_px // 2), 2 * text_px, round(1.8 * text_px)
    across_px, down_px = width_px + gap_px, height_px + title_px + gap_px
    shape = (head_px + rows * down_px, columns * across_px + gap_px, 3)
    canvas = np.full(shape, _GROUND, np.uint8)
    _draw_heading(canvas, name, score, text_px, gap_px)
    for index, (title, picture) in enumerate(panels.items()):
        row, column = divmod(index, columns)
        left, top = gap_px + column * across_px, head_px + row * down_px + title_px
        draw_text(canvas, title, (left, top - text_px // 2), _MUTED, size_px=text_px)
        canvas[top : top + height_px, left : left + width_px] = picture
    strip = legend_strip(entries, canvas.shape[1], text_px=text_px, most_rows=12, notes=notes)
    whole = np.full((shape[0] + strip.shape[0], strip.shape[1], 3), _GROUND, np.uint8)
    whole[: shape[0], : shape[1]] = canvas
    whole[shape[0] :] = strip
    return whole


def _draw_heading(
    canvas: NDArray[np.uint8], name: str, score: str, text_px: int, gap_px: int
) -> None:
    size_px, baseline = round(_HEAD * text_px), round(1.6 * text_px)
    right = canvas.shape[1] - gap_px - text_width(score, size_px)
    room_px = max(size_px, right - 3 * gap_px)
    draw_text(canvas, fit_text(name, room_px, size_px), (gap_px, baseline), _LIGHT, size_px=size_px)
    draw_text(canvas, score, (right, baseline), _LIGHT, size_px=size_px)
