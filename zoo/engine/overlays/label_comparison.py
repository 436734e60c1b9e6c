# SPDX-License-Identifier: Apache-2.0
"""Compare a label map with the ground truth: truth, prediction, difference, and a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.data import IGNORE_INDEX, resize_mask
from zoo.data import draw_overlay as paint
from zoo.data.pictures.legend import LegendEntry
from zoo.engine.overlays.palette import FALSE, MISSED, SWAPPED, is_background, short_name, to_rgb
from zoo.engine.overlays.panels import compose_panels, fit_panel, panel_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare_labels"]

_DIFFERENCES = (("missed", MISSED), ("false", FALSE), ("wrong class", SWAPPED))


def compare_labels(
    image: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8] | None,
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    name: str,
    notes: Sequence[str] = (),
) -> tuple[NDArray[np.uint8], float | None]:
    """Return a picture of one image's prediction beside its truth, and its score.

    The score is Dice, averaged over the classes that occur in either map, without the background;
    1 if none does. Pixels that the truth ignores do not count.

    Args:
        image: ``(h, w)`` grey or ``(h, w, 3)`` RGB, of any size.
        predicted: ``(H, W)`` class ids.
        truth: ``(H, W)`` class ids, 255 where nothing is known; None where there is none.
        classes: The name of each id.
        palette: The RGB colour of each id.
        name: Of the image.
        notes: Sentences at the end of the legend.

    Returns:
        ``(H', W', 3)`` RGB, and the score in ``[0, 1]``, None without a truth.
    """
    size = panel_size(*predicted.shape)
    shown = fit_panel(image, size)
    colors = [to_rgb(color) for color in palette]
    ground = [index for index, each in enumerate(classes) if is_background(each)]
    panels = {"prediction": paint(shown, _fit(predicted, size), colors, skip=ground)}
    present = set(np.unique(predicted).tolist())
    dice: dict[int, float] = {}
    marks: list[LegendEntry] = []
    if truth is not None:
        truth = np.asarray(truth, np.uint8)
        present |= set(np.unique(truth).tolist())
        dice = _dice(predicted, truth, [i for i in range(len(classes)) if i not in ground])
        differs = _differences(predicted, truth, ground)
        is_known = truth != IGNORE_INDEX
        marks = _marks(differs, int(is_known.sum()))
        panels = {
            "truth": paint(shown, _fit(truth, size), colors, skip=ground),
            **panels,
            "difference": _paint_differences(shown, _fit(differs, size)),
        }
    score = None if truth is None else float(np.mean([*dice.values()])) if dice else 1.0
    entries = [
        LegendEntry(_text(classes[i], dice.get(i)), colors[i])
        for i in sorted(present)
        if i < len(classes) and i not in ground
    ]
    told = "" if score is None else f"{'Dice' if len(dice) < 2 else 'mean Dice'} {score:.3f}"
    picture = compose_panels(panels, name=name, score=told, entries=[*entries, *marks], notes=notes)
    return picture, score


def _fit(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return resize_mask(labels, size)


def _text(name: str, dice: float | None) -> str:
    return short_name(name) if dice is None else f"{short_name(name)}: Dice {dice:.3f}"


def _dice(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], ids: Sequence[int]
) -> dict[int, float]:
    """Return Dice of each class that occurs, from the pixels whose truth is known."""
    is_known = truth != IGNORE_INDEX
    found = np.bincount(predicted[is_known], minlength=256)
    wanted = np.bincount(truth[is_known], minlength=256)
    shared = np.bincount(truth[is_known & (predicted == truth)], minlength=256)
    sums = found + wanted
    return {index: float(2 * shared[index] / sums[index]) for index in ids if sums[index]}


def _differences(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], ground: Sequence[int]
) -> NDArray[np.uint8]:
    """Return ``(H, W)`` 1 where an object is missed, 2 where false, 3 where of another class."""
    differs = (predicted != truth) & (truth != IGNORE_INDEX)
    is_object, was_object = ~np.isin(truth, ground), ~np.isin(predicted, ground)
    found = np.zeros(truth.shape, np.uint8)
    found[differs & is_object & ~was_object] = 1
    found[differs & ~is_object & was_object] = 2
    found[differs & is_object & was_object] = 3
    return found


def _marks(differs: NDArray[np.uint8], known_px: int) -> list[LegendEntry]:
    counts = np.bincount(differs.ravel(), minlength=4).tolist()
    return [
        LegendEntry(f"{word}: {100 * counts[index] / max(1, known_px):.1f} % of the image", color)
        for index, (word, color) in enumerate(_DIFFERENCES, start=1)
        if index < 3 or counts[index]
    ]


def _paint_differences(image: NDArray[np.uint8], differs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colors = [(0, 0, 0), *(color for _, color in _DIFFERENCES)]
    return paint(image, differs, colors, opacity=0.75, contour_px=None)
