# SPDX-License-Identifier: Apache-2.0
"""Generate a seeded synthetic data set of five 16-bit bands, of which only the last tells."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import encode_png, write_file
from zoo.errors import DataError

__all__ = ["write_sample"]

_COUNT, _SIZE_PX, _MARGIN_PX = 40, 96, 6
_NAMES = ("blue", "green", "red", "red_edge", "nir")
_DRY, _WET = 2600, 900  # of the near infrared, which water absorbs
_CLASSES = '[[class]]\nname = "land"\nvalue = 0\n\n[[class]]\nname = "water"\nvalue = 1\n'


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    size_px: int = _SIZE_PX,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``images/``, ``masks/`` and ``classes.toml``.

    Images are uint16 TIFFs of the bands blue, green, red, red_edge and nir, and 0 is missing data,
    a margin of some of them. Water differs from land in nir alone; the other bands are noise.

    Args:
        out: Folder to write into, new or empty.
        seed: Equal seeds give equal pixels.
        count: Number of pairs; None for 40.
        size_px: Side length.
        progress: Called with the number of images done and in total.

    Raises:
        DataError: rasterio is not installed.
    """
    number = _COUNT if count is None else count
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        water = _draw_water(rng, size_px)
        samples = rng.normal(1500, 350, (size_px, size_px, len(_NAMES)))
        samples[..., -1] = np.where(water, _WET, _DRY) + rng.normal(0, 250, water.shape)
        pixels = np.clip(np.rint(samples), 1, 10000).astype(np.uint16)
        if index % 4 == 0:
            pixels[:, :_MARGIN_PX] = 0
        path = out / "images" / f"tile{index:03d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, pixels)
        write_file(out / "masks" / f"tile{index:03d}.png", encode_png(water.astype(np.uint8)))
        if progress is not None:
            progress(index + 1, number)
    write_file(out / "classes.toml", _CLASSES.encode())


def _draw_water(rng: np.random.Generator, size_px: int) -> NDArray[np.bool_]:
    canvas: Any = np.zeros((size_px, size_px), np.uint8)
    for _ in range(3):
        centre = [int(value) for value in rng.integers(0, size_px, 2)]
        axes = [int(value) for value in rng.integers(size_px // 10, size_px // 3, 2)]
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return np.asarray(canvas == 1)


def _write(path: Path, pixels: NDArray[np.uint16]) -> None:
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning
    except ImportError as error:
        message = "cannot draw bands: TIFFs of several bands need rasterio, which is missing."
        raise DataError(message, path=path, hint='pip install "mmzoo[geo]".') from error
    height_px, width_px, count = pixels.shape
    how: dict[str, Any] = {"photometric": "MINISBLACK", "compress": "deflate", "nodata": 0}
    size = {"height": height_px, "width": width_px, "count": count, "dtype": "uint16"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # no place on earth is meant
        dataset = rasterio.open(path, "w", driver="GTiff", **size, **how)
    with dataset:
        for band, name in enumerate(_NAMES, start=1):
            dataset.write(pixels[..., band - 1], band)
            dataset.set_band_description(band, name)
