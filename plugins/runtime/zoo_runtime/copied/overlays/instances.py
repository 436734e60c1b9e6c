# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.overlays.instances, by tools/runtime_copies.py.
"""Draw instances over their image: mask or box, class and score, and a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo_runtime.copied.overlays.palette import short_name, to_rgb
from zoo_runtime.copied.overlays.places import place_labels
from zoo_runtime.copied.overlays.style import OverlayStyle, nothing_found, scale_note
from zoo_runtime.copied.pictures.drawing import Outline, draw_outlines
from zoo_runtime.copied.pictures.legend import LegendEntry, add_legend, legend_text_px
from zoo_runtime.copied.pictures.pixels import load_cv2
from zoo_runtime.lettering import draw_text, text_height, text_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlacedMask", "draw_instances", "outline_of_box", "outline_of_mask"]

_TEXT_LEAST_PX, _TEXT_MOST_PX = 11, 28
_WIDEST = 1.5  # times its box: a wider text with the class would hide the neighbours
_LINE_SHARE = 16  # a contour is at most this part of the usual object's side
_PAD_PX = 2


class PlacedMask(Protocol):
    """A mask in its bounding box."""

    @property
    def pixels(self) -> NDArray[np.bool_] | NDArray[np.uint8]:
        """``(h, w)``, what it covers of its box."""

    @property
    def left_px(self) -> int:
        """Column of the image where the box begins."""

    @property
    def top_px(self) -> int:
        """Row of the image where the box begins."""


def draw_instances(
    image: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    labels: NDArray[np.integer],
    scores: NDArray[np.floating],
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    masks: Sequence[PlacedMask] | None = None,
    size: tuple[int, int] | None = None,
    style: OverlayStyle | None = None,
    areas: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Return the image with each instance in its class's colour, and a legend below.

    The image stays at the top left. A mask is filled and outlined, its holes left open; without
    masks, boxes are drawn. Beside it are class and score, or only the score if there is little
    room; labels never overlap, and the legend counts those that do not fit.

    Args:
        image: ``(h, w)`` grey or ``(h, w, 3)`` RGB, the picture that is drawn on.
        boxes: ``(K, 4)`` xyxy in px of the image.
        labels: ``(K,)`` class ids.
        scores: ``(K,)`` in ``[0, 1]``.
        classes: The name of each id.
        palette: The RGB colour of each id, 0 to 255.
        masks: K masks, or None from a model that predicts boxes only.
        size: Width and height of the image if the picture is a smaller copy.
        style: Fill, contour or both; None for both.
        areas: What the legend says of a class's area: ``{"tank": "310 m²"}``.
        notes: Sentences at the end of the legend.

    Returns:
        ``(h + strip, >= w, 3)`` RGB.
    """
    style = style or OverlayStyle()
    height_px, width_px = image.shape[:2]
    size = size or (width_px, height_px)
    scale = width_px / size[0]
    colors = [to_rgb(palette[index]) for index in labels]
    shown = np.asarray(boxes, np.float64).reshape(-1, 4) * scale
    if masks is None:
        outlines = [outline_of_box(box, color) for box, color in zip(shown, colors, strict=True)]
    else:
        pairs = zip(masks, colors, strict=True)
        outlines = [outline_of_mask(mask, color, scale) for mask, color in pairs]
    canvas = draw_outlines(
        image,
        outlines,
        opacity=style.fill_opacity,
        contour_px=_line_px(image, shown) if style.has_contour else None,
    )
    text_px = _text_px(canvas, shown)
    texts = _texts(shown, labels, scores, classes, text_px)
    left_out = _draw_labels(canvas, shown, texts, colors, _covered(canvas, outlines), text_px)
    entries = _entries(labels, classes, palette, areas or {})
    told = scale_note((height_px, width_px), (size[1], size[0]))
    if left_out:
        told.append(f"{left_out:,} of {len(shown):,} labels do not fit and are left out.")
    return add_legend(canvas, entries, [*told, *notes])


def outline_of_mask(mask: PlacedMask, color: tuple[int, int, int], scale: float = 1.0) -> Outline:
    """Return the outlines of a mask and its holes.

    Args:
        mask: In px of the image.
        color: RGB.
        scale: Of the picture that is drawn on, against the image.
    """
    if not mask.pixels.size:  # a mask without a pixel
        return Outline([], color)
    cv2 = load_cv2()
    pixels, place = mask.pixels.astype(np.uint8), (mask.left_px, mask.top_px)
    found, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=place)
    return Outline([(ring[:, 0] + 0.5) * scale for ring in found], color)


def outline_of_box(box: NDArray[np.floating], color: tuple[int, int, int]) -> Outline:
    """Return the outline of a box, xyxy in px of the picture.

    Args:
        box: ``(4,)``: left, top, right, bottom in px of the picture.
        color: RGB, 0..255.
    """
    x0, y0, x1, y1 = box.tolist()
    return Outline([np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])], color)


def _side_px(boxes: NDArray[np.float64]) -> float:
    """Return the side of the usual object in px."""
    if not len(boxes):
        return 0.0
    return float(np.median(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).clip(1))))


def _line_px(image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> int:
    by_picture = round(max(image.shape[:2]) / 400)
    return max(1, min(by_picture, round(_side_px(boxes) / _LINE_SHARE)))


def _text_px(image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> int:
    by_picture = round(0.6 * legend_text_px(*image.shape[:2]))
    return max(_TEXT_LEAST_PX, min(_TEXT_MOST_PX, by_picture, round(_side_px(boxes) / 2)))


def _texts(
    boxes: NDArray[np.float64],
    labels: NDArray[np.integer],
    scores: NDArray[np.floating],
    classes: Sequence[str],
    text_px: int,
) -> list[list[str]]:
    """Return the possible texts of each instance; the first that fits is used.

    The class is written if there are several classes and the box is not much narrower than the
    text.
    """
    texts = []
    rows = zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True)
    for (x0, _, x1, _), index, score in rows:
        short = f"{score:.2f}"
        full = f"{short_name(classes[index])} {short}"
        has_room = len(classes) > 1 and text_width(full, text_px) <= _WIDEST * (x1 - x0)
        texts.append([full, short] if has_room else [short])
    return texts


def _draw_labels(
    canvas: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    colors: Sequence[tuple[int, int, int]],
    covered: NDArray[np.bool_],
    text_px: int,
) -> int:
    """Write the labels for which there is room, and return how many there is none for."""
    widths = [[text_width(text, text_px) + 2 * _PAD_PX for text in each] for each in texts]
    height_px = text_height(text_px) + 2 * _PAD_PX + 1
    places = place_labels(boxes, widths, height_px, covered)
    for place, options, color in zip(places, texts, colors, strict=True):
        if place is None:
            continue
        text = options[place.option]
        right = place.left + text_width(text, text_px) + 2 * _PAD_PX
        canvas[place.top : place.top + height_px, place.left : right] = color
        baseline = place.top + height_px - _PAD_PX - 1
        ink = (0, 0, 0) if _luminance(color) > 0.4 else (255, 255, 255)
        draw_text(canvas, text, (place.left + _PAD_PX, baseline), ink, size_px=text_px)
    return places.count(None)


def _covered(canvas: NDArray[np.uint8], outlines: Sequence[Outline]) -> NDArray[np.bool_]:
    """Return ``(h, w)`` where any object is."""
    covered = np.zeros(canvas.shape[:2], np.uint8)
    for outline in outlines:
        rings = [np.rint(ring).astype(np.int32) for ring in outline.rings]
        if rings:
            load_cv2().fillPoly(covered, rings, 1)
    return covered.astype(bool)


def _luminance(color: tuple[int, int, int]) -> float:
    red, green, blue = (value / 255 for value in color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _entries(
    labels: NDArray[np.integer],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    areas: Mapping[str, str],
) -> list[LegendEntry]:
    counts = np.bincount(np.asarray(labels, np.int64), minlength=len(classes)).tolist()
    found = sorted(
        (index for index, count in enumerate(counts) if count), key=lambda index: -counts[index]
    )
    entries = []
    for index in found:
        area = f", {areas[classes[index]]}" if classes[index] in areas else ""
        text = f"{short_name(classes[index])}: {counts[index]:,}{area}"
        entries.append(LegendEntry(text, to_rgb(palette[index])))
    names = [short_name(name) for name in classes]
    return entries or [LegendEntry(nothing_found(names), None)]
