# SPDX-License-Identifier: Apache-2.0
"""Synthetic tiles: rows of crop, patches of weed, straw, under changing light."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data import encode_png, staged_folder, write_file
from zoo_crops.facts import PALETTE, UNSEEN

__all__ = ["write_sample"]

TILES_PER_FLIGHT = 2
SIZE_PX = 48


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``count`` tiles (20 if not given), two a flight, and ``flights.csv``.

    Args:
        out: New or empty folder.
        seed: Equal seeds give equal bytes.
        count: Number of tiles, >= 1.
        progress: Called with tiles done and in all.
    """
    tiles = 20 if count is None else count
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["flight", "field", "sown_days"])
    with staged_folder(out) as folder:
        for flight in range(-(-tiles // TILES_PER_FLIGHT)):
            rng = np.random.default_rng([seed, flight])
            rows.writerow([f"flight_{flight:02}", f"field_{flight}", int(rng.integers(20, 60))])
            first = flight * TILES_PER_FLIGHT
            for number in range(min(TILES_PER_FLIGHT, tiles - first)):
                image, truth = _draw_tile(rng)
                place = folder / f"flight_{flight:02}"
                place.mkdir(exist_ok=True)
                write_file(place / f"tile_{number:02}.png", encode_png(image))
                write_file(place / f"tile_{number:02}.truth.png", encode_png(truth))
                if progress is not None:
                    progress(first + number + 1, tiles)
        write_file(folder / "flights.csv", table.getvalue().encode())


def _draw_tile(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    ids = np.zeros((SIZE_PX, SIZE_PX), np.int64)
    ids[(x + rng.integers(16)) % 16 < 5] = 1
    for label, radius in ((2, 7), (3, 6)):
        centre = rng.integers(8, SIZE_PX - 8, 2)
        ids[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = label
    colours = np.array(PALETTE, np.float64)
    light = rng.uniform(0.75, 1.2)
    image = colours[ids] * light + rng.normal(0, 12, (SIZE_PX, SIZE_PX, 3))
    truth = np.array(PALETTE, np.uint8)[ids]
    truth[:2] = UNSEEN
    return np.clip(image, 0, 255).astype(np.uint8), truth
