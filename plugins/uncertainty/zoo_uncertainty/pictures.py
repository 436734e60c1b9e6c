# SPDX-License-Identifier: Apache-2.0
"""Maps of uncertainty as pictures, and a sheet of the images to label first."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import encode_png, fit_size, resize_image
from zoo.texts import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_uncertainty.assessing import Assessment

__all__ = ["draw_sheet", "map_png"]

_TILE_PX = 256
_COLUMNS = 4
_INCHES = 2.6
_DPI = 100
_MOST_LETTERS = 20


def map_png(entropy: NDArray[np.float32]) -> bytes:
    """Return a map of uncertainty as a grey PNG: 0 is sure, 255 is one class as good as another.

    Args:
        entropy: ``(H, W)`` in ``[0, 1]``.
    """
    return encode_png(np.rint(np.clip(entropy, 0, 1) * 255).astype(np.uint8))


def draw_sheet(chosen: Sequence[Assessment]) -> bytes:
    """Return a PNG of images, each with its uncertainty in colour beside it.

    Args:
        chosen: At least one, the first one first.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(2 * _INCHES * _COLUMNS, (_INCHES + 0.45) * lines), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, 2 * _COLUMNS, squeeze=False)
    for cell in axes.ravel():
        cell.set_axis_off()
    for place, each in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        pair = axes[row][2 * column], axes[row][2 * column + 1]
        _draw(pair, place + 1, each)
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.01, top=0.92, wspace=0.03, hspace=0.22)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _draw(pair: tuple[Any, Any], place: int, each: Assessment) -> None:
    pixels = each.picture.to_uint8()
    size = fit_size(pixels.shape[0], pixels.shape[1], (_TILE_PX, _TILE_PX), keep_aspect=True)
    pair[0].imshow(resize_image(pixels, size), cmap="gray", vmin=0, vmax=255)
    shown = np.rint(np.clip(each.entropy, 0, 1) * 255).astype(np.uint8)
    pair[1].imshow(resize_image(shown, size), cmap="magma", vmin=0, vmax=255)
    name = printable(each.path.stem)
    short = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
    texts = (f"{place}. {short}{' (unlike)' * bool(each.is_unlike)}", _facts(each))
    for cell, text in zip(pair, texts, strict=True):
        cell.set_title(text, fontsize=8, loc="left", pad=3, parse_math=False)


def _facts(each: Assessment) -> str:
    facts = [f"uncertainty {each.uncertainty:.2f}"]
    if each.least_dice is not None:
        facts.append(f"expected Dice {each.least_dice:.2f}")
    return ", ".join(facts)
