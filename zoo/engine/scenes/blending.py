# SPDX-License-Identifier: Apache-2.0
"""Class scores of overlapping windows, blended, and decided row by row from the top."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.geometry.windows import Tiling, Window, tile_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Look = Callable[[Window], NDArray[np.float32] | None]

__all__ = ["NO_LABEL", "Band", "blend_windows", "window_weights"]

NO_LABEL = 255
"""The id of a pixel that no window with data shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Rows of a scene that no later window shows; its arrays hold until the next band is taken.

    Args:
        top_px: First row.
        weights: ``(h, W)`` sum of the weights of the windows that show a pixel; 0 if none does.
        sums: ``(C, h, W)`` weighted sums of their scores; None as long as no window had any.
    """

    top_px: int
    weights: NDArray[np.float32]
    sums: NDArray[np.float32] | None

    @property
    def bottom_px(self) -> int:
        """The row after its last."""
        return self.top_px + len(self.weights)

    def means(self) -> NDArray[np.float32]:
        """Return the blended scores, ``(C, h, W)``, of a scene without missing data."""
        assert self.sums is not None  # noqa: S101 - for mypy
        return self.sums / self.weights

    def labels(self, threshold: float | None) -> NDArray[np.uint8]:
        """Return the id of each pixel, ``(h, W)``: the class with the best score.

        Args:
            threshold: Of two classes, the probability above which a pixel is of the second, whose
                score is the logit if there is one map, else the second less the first; None if
                the best score decides.
        """
        labels = np.zeros(self.weights.shape, np.uint8)
        if self.sums is None:
            pass
        elif threshold is None:
            best = self.sums[0].copy()
            for index, sums in enumerate(self.sums[1:], 1):
                labels[sums > best] = index
                np.maximum(best, sums, out=best)
        else:
            logits = self.sums[0] if len(self.sums) == 1 else self.sums[1] - self.sums[0]
            with np.errstate(invalid="ignore"):  # an infinite one where no window has data
                labels[logits > _logit(threshold) * self.weights] = 1
        labels[self.weights == 0] = NO_LABEL
        return labels


def blend_windows(
    width_px: int, height_px: int, tiling: Tiling, look: Look, *, first_px: int = 0
) -> Iterator[Band]:
    """Yield a scene from the top, as soon as no later window shows its rows.

    A window counts fully in its middle. Towards a rim inside the scene, its weight falls to 0
    along the middle half of the overlap; the outermost quarter does not count, because a network
    pads there what it does not see. A network that looks no farther than a quarter of the overlap
    thus gives the labels of the whole scene. Memory grows with the classes, the width of the scene
    and the side of a window, not with the height.

    Args:
        width_px: Width of the scene.
        height_px: Height of the scene.
        tiling: Windows.
        look: Returns ``(C, h, w)`` scores of a window, such as logits or logarithms of
            probabilities, or None if the window has no data.
        first_px: First row to yield, the top of a band; windows above it are left out.
    """
    tile_height, tile_width = min(height_px, tiling.tile_px), min(width_px, tiling.tile_px)
    tops = tile_starts(height_px, tiling.tile_px, tiling.overlap_px)
    lefts = tile_starts(width_px, tiling.tile_px, tiling.overlap_px)
    down = window_weights(tops, tile_height, height_px, tiling.overlap_px)
    across = window_weights(lefts, tile_width, width_px, tiling.overlap_px)
    sums: NDArray[np.float32] | None = None
    weights = np.zeros((tile_height, width_px), np.float32)
    for row, (top, next_top) in enumerate(zip(tops, [*tops[1:], height_px], strict=True)):
        if top + tile_height <= first_px:
            continue
        for column, left in enumerate(lefts):
            scores = look(Window(left, top, tile_width, tile_height))
            if scores is None:
                continue
            if sums is None:
                sums = np.zeros((len(scores), *weights.shape), np.float32)
            weight = down[row][:, None] * across[column]
            sums[:, :, left : left + tile_width] += scores * weight
            weights[:, left : left + tile_width] += weight
        done = next_top - top
        if top >= first_px:
            yield Band(top, weights[:done], None if sums is None else sums[:, :done])
        for each in (weights, *(() if sums is None else sums)):
            each[: tile_height - done] = each[done:].copy()
            each[tile_height - done :] = 0


def window_weights(
    starts: list[int], tile_px: int, length_px: int, overlap_px: int
) -> list[NDArray[np.float32]]:
    """Return the weights of each window along one axis, ``(tile_px,)``, in ``[0, 1]``.

    Each pixel has a weight above 0 in at least one window; the weights of two neighbours that
    share just the overlap add up to 1.

    Args:
        starts: Start of each window.
        tile_px: Length of a window.
        length_px: Length of the scene.
        overlap_px: What neighbours share at least.
    """
    rim: NDArray[np.float32] = np.ones(tile_px, np.float32)
    blind_px = overlap_px // 4
    ramp_px = overlap_px - 2 * blind_px
    if ramp_px:
        share = (np.arange(tile_px) + 0.5 - blind_px) / ramp_px
        rim = (0.5 - 0.5 * np.cos(np.pi * share.clip(0, 1))).astype(np.float32)
    inside = np.ones(tile_px, np.float32)
    return [
        (rim if start > 0 else inside) * (rim[::-1] if start + tile_px < length_px else inside)
        for start in starts
    ]


def _logit(share: float) -> float:
    if not 0 < share < 1:
        return -math.inf if share <= 0 else math.inf
    return math.log(share) - math.log1p(-share)
