# SPDX-License-Identifier: Apache-2.0
"""Generate a seeded synthetic data set as COCO JSON: coins on a table, in two classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import encode_png, write_file

__all__ = ["write_sample"]

_COUNT, _SIZE_PX = 24, 192
_NAMES = ("coin", "token")


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``images/*.png`` and ``annotations.json`` with polygons.

    Coins are round and tokens have six corners. Names are ``purse03_shot1``: two images of a
    purse show the same table, so ``--group-by '^purse[0-9]+'`` keeps them together.

    Args:
        out: Folder to write into, new or empty.
        seed: Equal seeds give equal bytes under equal versions of NumPy and OpenCV.
        count: Number of images; None for 24.
        progress: Called with the number of images done and in total.
    """
    number = _COUNT if count is None else count
    content: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": index, "name": name} for index, name in enumerate(_NAMES, start=1)],
    }
    for index in range(number):
        purse, shot = divmod(index, 2)
        name = f"purse{purse:02d}_shot{shot}.png"
        wood = np.random.default_rng([seed, purse]).uniform(60, 170, 3)
        image, shapes = _draw(np.random.default_rng([seed, purse, shot]), wood)
        write_file(out / "images" / name, encode_png(image))
        row = {"id": index + 1, "file_name": name, "width": _SIZE_PX, "height": _SIZE_PX}
        content["images"].append(row)
        for category, outline in shapes:
            low, high = outline.min(axis=0), outline.max(axis=0)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": index + 1,
                    "category_id": category + 1,
                    "iscrowd": 0,
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": float(cv2.contourArea(outline)),
                    "segmentation": [outline.ravel().tolist()],
                }
            )
        if progress is not None:
            progress(index + 1, number)
    write_file(out / "annotations.json", json.dumps(content).encode())


def _draw(
    rng: np.random.Generator, wood: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], list[tuple[int, NDArray[np.int32]]]]:
    image = wood + rng.normal(0, 6, (_SIZE_PX, _SIZE_PX, 3)) + rng.normal(0, 12, (_SIZE_PX, 1, 1))
    image = np.clip(image, 0, 255).astype(np.uint8)
    shapes: list[tuple[int, NDArray[np.int32]]] = []
    places: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(3, 12))):
        radius = float(rng.uniform(7, 18))
        x, y = rng.uniform(radius + 2, _SIZE_PX - radius - 2, 2)
        if any(np.hypot(x - a, y - b) < radius + other for a, b, other in places):
            continue
        places.append((x, y, radius))
        category = int(rng.integers(2))
        corners = 40 if category == 0 else 6
        angles = rng.uniform(0, 6) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
        points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        outline = np.rint(points).astype(np.int32)
        colour = tuple(float(c) for c in rng.uniform(120, 240, 3))
        image = cv2.fillPoly(image, [outline + 2], (40, 36, 30))
        image = cv2.fillPoly(image, [outline], colour)
        shapes.append((category, outline))
    return cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.uint8), shapes
