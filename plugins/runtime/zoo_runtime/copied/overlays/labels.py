# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.overlays.labels, by tools/runtime_copies.py.
"""Draw label maps over their images: translucent fill, contour, and a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo_runtime.copied.overlays.palette import is_background, short_name, to_rgb
from zoo_runtime.copied.overlays.style import OverlayStyle, nothing_found, scale_note
from zoo_runtime.copied.pictures.drawing import draw_overlay as paint
from zoo_runtime.copied.pictures.legend import LegendEntry, add_legend
from zoo_runtime.copied.pictures.pixels import count_labels, resize_image, resize_mask
from zoo_runtime.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_overlay"]


def draw_overlay(
    image: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    style: OverlayStyle | None = None,
    size: tuple[int, int] | None = None,
    areas: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Return the image with its labels drawn over it and a legend below.

    The image stays at the top left: ``overlay[:H, :W]`` is the painted image. A class called
    background (see :func:`is_background`) and ids without a class are not painted.
    The legend names each painted class that occurs, largest first, with its share of the pixels; a
    picture narrower than one legend entry gets a wider canvas.

    Args:
        image: ``(H, W)`` grey or ``(H, W, 3)`` RGB; may have the size of the picture already.
        labels: ``(H, W)`` class ids.
        classes: The name of each id.
        palette: The RGB colour of each id, 0 to 255.
        style: Fill, contour or both; None for both.
        size: Width and height of the picture where it is shown smaller, which the legend says.
        areas: What the legend says of a class's area besides its share: ``{"lung": "310 mm²"}``.
        notes: Sentences at the end of the legend.

    Returns:
        ``(H + strip, >= W, 3)`` RGB.

    Raises:
        DataError: Image and labels differ in size.
    """
    if image.shape[:2] not in (labels.shape, None if size is None else size[::-1]):
        message = (
            f"cannot draw an overlay: the image is {image.shape[1]}x{image.shape[0]} pixels, "
            f"the labels are {labels.shape[1]}x{labels.shape[0]}, expected equal sizes."
        )
        raise DataError(message)
    style = style or OverlayStyle()
    counts = count_labels(labels)
    painted = [i for i, name in enumerate(classes) if counts[i] and not is_background(name)]
    shares = {i: counts[i] / labels.size for i in sorted(painted, key=lambda i: (-counts[i], i))}
    shape = labels.shape
    if size is not None:
        image, labels = resize_image(image, size), resize_mask(labels, size)
    picture = paint(
        image,
        labels,
        [to_rgb(color) for color in palette],
        opacity=style.fill_opacity,
        skip=[i for i in range(len(classes)) if i not in shares],
        contour_px=0 if style.has_contour else None,
    )
    of = " of the image" if len(shares) == 1 else ""
    entries = [
        LegendEntry(_text(classes[i], share, of, areas or {}), to_rgb(palette[i]))
        for i, share in shares.items()
    ]
    if len(entries) > 1:
        notes = ["Shares are of the whole image.", *notes]
    names = [short_name(name) for name in classes if not is_background(name)]
    return add_legend(
        picture,
        entries or [LegendEntry(nothing_found(names), None)],
        [*scale_note(picture.shape, shape), *notes],
    )


def _text(name: str, share: float, of: str, areas: Mapping[str, str]) -> str:
    percent = f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"
    area = f", {areas[name]}" if name in areas else ""
    return f"{short_name(name)}: {percent}{of}{area}"
