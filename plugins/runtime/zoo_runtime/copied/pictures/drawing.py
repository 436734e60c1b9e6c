# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.drawing, by tools/runtime_copies.py.
"""Draw labels and outlines on images with a translucent fill, a contour, or both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from zoo_runtime.copied.pictures.pixels import count_labels, load_cv2
from zoo_runtime.lettering import Color

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo_runtime.copied.pictures.pixels import Image

__all__ = ["Outline", "draw_outlines", "draw_overlay"]

_HATCH_PX = 6


def draw_overlay(
    image: Image,
    labels: Image,
    palette: Sequence[Color],
    *,
    opacity: float = 0.35,
    skip: Collection[int] = (0,),
    contour_px: int | None = 0,
) -> Image:
    """Return the image with each class filled and outlined in its colour.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8.
        labels: ``(H, W)`` ids; ids without a colour, such as 255, are not drawn.
        palette: RGB colour of each class.
        opacity: Opacity of the fill, in ``[0, 1]``.
        skip: Ids not to draw, usually the background.
        contour_px: Width of the outline; 0 chooses it by image size, None draws none.

    Returns:
        ``(H, W, 3)`` RGB, uint8.
    """
    import numpy as np

    cv2 = load_cv2()
    canvas = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.copy()
    occurs = count_labels(labels)
    painted = [i for i in range(min(len(palette), 256)) if occurs[i] and i not in skip]
    colors, is_painted = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    for index in painted:
        colors[index], is_painted[index] = palette[index], 1
    if opacity > 0 and painted:
        mixed = cv2.addWeighted(colors[labels], opacity, canvas, 1 - opacity, 0)
        canvas = cv2.copyTo(mixed, is_painted[labels], canvas)
    if contour_px is not None:
        width_px = contour_px or max(1, round(max(labels.shape) / 400))
        for index in painted:
            region = (labels == index).astype(np.uint8)
            outlines, _ = cv2.findContours(region, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            color = tuple(colors[index].tolist())
            canvas = cv2.drawContours(canvas, outlines, -1, color, width_px, cv2.LINE_AA)
    drawn: Image = canvas
    return drawn


class Outline(NamedTuple):
    """The outline of an object, filled by the even-odd rule.

    Args:
        rings: Arrays ``(n, 2)`` of x and y in px, where 0.5 is the centre of the first pixel;
            outer rings and holes in any order.
        color: RGB.
        is_crowd: Whether it is a region of undistinguished objects.
    """

    rings: Sequence[NDArray[np.float64]]
    color: Color
    is_crowd: bool = False


def draw_outlines(
    image: Image, outlines: Sequence[Outline], *, opacity: float = 0.3, contour_px: int | None = 1
) -> Image:
    """Return the image with each outline filled and drawn in its colour; crowds are hatched.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8.
        outlines: Outlines in px of the image.
        opacity: Opacity of the fill, in ``[0, 1]``.
        contour_px: Width of the line; None draws none.

    Returns:
        ``(H, W, 3)`` RGB, uint8.
    """
    import numpy as np

    cv2 = load_cv2()
    canvas = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.copy()
    fill = canvas.copy()
    # OpenCV takes subpixel positions as integers, here in sixteenths, from pixel centres.
    points = [
        [np.rint((np.asarray(ring) - 0.5) * 16).astype(np.int32) for ring in outline.rings]
        for outline in outlines
    ]
    for rings, outline in zip(points, outlines, strict=True):
        if rings and not outline.is_crowd:
            cv2.fillPoly(fill, rings, outline.color, cv2.LINE_AA, shift=4)
    if opacity > 0:
        canvas = cv2.addWeighted(fill, opacity, canvas, 1 - opacity, 0)
    for rings, outline in zip(points, outlines, strict=True):
        if outline.is_crowd:
            canvas[_hatch(rings, canvas.shape[:2])] = outline.color
        if rings and contour_px is not None:
            cv2.polylines(canvas, rings, True, outline.color, contour_px, cv2.LINE_AA, shift=4)
    drawn: Image = canvas
    return drawn


def _hatch(rings: Sequence[NDArray[np.int32]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return an ``(H, W)`` mask of diagonal lines inside rings, given in sixteenths of px."""
    import numpy as np

    inside = np.zeros(shape, np.uint8)
    if rings:
        load_cv2().fillPoly(inside, rings, 1, shift=4)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    hatched: NDArray[np.bool_] = (inside > 0) & ((rows + columns) % _HATCH_PX == 0)
    return hatched
