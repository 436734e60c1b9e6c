# SPDX-License-Identifier: Apache-2.0
"""Instances drawn over their picture: mask, box, class and score, and a legend below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.data.pictures.drawing import Outline, draw_outlines, draw_text, text_width
from zoo.data.pictures.pixels import load_cv2
from zoo.engine.overlays.legend import LegendEntry, add_legend, nothing_found, short_name, to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.prediction.results import InstanceResult

__all__ = ["draw_instances"]

_WIDEST = 1.5  # times its box, from where on a text would hide the neighbours
_TEXT_HEIGHT_PX = 12


def draw_instances(result: InstanceResult) -> NDArray[np.uint8]:
    """Return the picture with each instance in its class's colour, and a legend strip below.

    The picture keeps its place, top left. A mask is filled and outlined, its holes left open.
    Beside its box are class and score, the score alone where the box is too narrow for both.

    Args:
        result: Of one image.

    Returns:
        ``(h + strip, >= w, 3)`` RGB.
    """
    scale = result.shown.shape[1] / result.width_px
    colors = [to_rgb(result.palette[index]) for index in result.class_ids]
    canvas = draw_outlines(result.shown, _outlines(result, colors, scale), opacity=0.3)
    boxes = np.rint(result.boxes * scale).astype(int)
    cv2 = load_cv2()
    for box, color in zip(boxes.tolist(), colors, strict=True):
        cv2.rectangle(canvas, tuple(box[:2]), tuple(box[2:]), color, 1)
    texts = _texts(result, (boxes[:, 2] - boxes[:, 0]).tolist())
    for box, text, color in zip(boxes.tolist(), texts, colors, strict=True):
        _draw_label(canvas, box, text, color)
    return add_legend(canvas, _entries(result))


def _outlines(
    result: InstanceResult, colors: list[tuple[int, int, int]], scale: float
) -> list[Outline]:
    """Return the outlines of all masks and their holes, in px of the picture shown."""
    cv2 = load_cv2()
    outlines = []
    for mask, color in zip(result.masks or (), colors, strict=result.masks is not None):
        pixels = mask.pixels.astype(np.uint8)
        place = (mask.left_px, mask.top_px)
        found, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=place)
        outlines.append(Outline([(ring[:, 0] + 0.5) * scale for ring in found], color))
    return outlines


def _texts(result: InstanceResult, widths_px: list[int]) -> list[str]:
    """Return class and score of each instance, the score alone where its box is too narrow."""
    texts = []
    for index, score, width_px in zip(result.class_ids, result.scores, widths_px, strict=True):
        full = f"{short_name(result.classes[index])} {score:.2f}"
        texts.append(full if text_width(full) <= _WIDEST * width_px else f"{score:.2f}")
    return texts


def _draw_label(
    canvas: NDArray[np.uint8], box: list[int], text: str, color: tuple[int, int, int]
) -> None:
    """Write above a box, or below it at the picture's top; moved in at its right edge."""
    height, width = canvas.shape[:2]
    left = max(0, min(box[0], width - text_width(text) - 1))
    baseline = box[1] - 3 if box[1] > _TEXT_HEIGHT_PX else min(box[3] + _TEXT_HEIGHT_PX, height - 2)
    # A dark copy beneath, so that it can be read on bright ground.
    draw_text(canvas, text, (left + 1, baseline + 1), (0, 0, 0))
    draw_text(canvas, text, (left, baseline), color)


def _entries(result: InstanceResult) -> list[LegendEntry]:
    found = sorted(result.counts.items(), key=lambda item: -item[1])
    colors = dict(zip(result.classes, result.palette, strict=True))
    return [
        LegendEntry(f"{short_name(name)}: {count}", to_rgb(colors[name]))
        for name, count in found
        if count
    ] or [nothing_found(result.classes)]
