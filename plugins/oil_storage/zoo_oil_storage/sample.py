# SPDX-License-Identifier: Apache-2.0
"""Generate a seeded synthetic set in the Airbus layout, with separate true masks.

It replaces real data in demonstrations and tests, and uses the same ``prepare``. Its boxes are
imprecise by a pixel here and there, like those of annotators, and a few rows of its CSV have errors
of real files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import encode_jpeg, staged_folder, write_file
from zoo.errors import DataError
from zoo_oil_storage.canvas import Canvas, Light, Points, Rng
from zoo_oil_storage.facts import CLASSES
from zoo_oil_storage.farms import Farm, draw_farm, plan_farm
from zoo_oil_storage.land import CLIMATES, draw_houses, draw_land, draw_trees
from zoo_oil_storage.lookalikes import draw_lookalikes
from zoo_oil_storage.tanks import Tank, draw_tank, draw_tank_shadow, outline_of

__all__ = ["write_sample"]

DEFAULT_COUNT = 30
DEFAULT_SIZE_PX = 768
LEAST_SIZE_PX = 256
_EMPTY_EVERY = 10  # every tenth scene has no tank

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Scene:
    """An image with the outlines of its tanks, and their boxes as annotated."""

    image: Image
    outlines: tuple[Points, ...]
    boxes: tuple[tuple[int, int, int, int], ...]


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    size_px: int = DEFAULT_SIZE_PX,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``images/*.jpg``, ``annotations.csv`` and ``truth/annotations.json`` under ``out``.

    Scenes of about 1.2 m per pixel show tanks with fixed and floating roofs in farms with walls;
    fields, shores, roads, houses, trees; and round objects that are not tanks. The sun is the same
    in all of a scene. Every tenth scene has no tank. The truth is COCO JSON of the visible roof and
    wall of each tank; ``zoo data prepare folder_data --task instance`` reads it. Equal arguments
    give equal bytes with equal versions of NumPy and OpenCV, and a larger set begins with a smaller
    one.

    Args:
        out: Folder to create; it must not exist or be empty.
        seed: Integer ``>= 0``; another seed gives other scenes.
        count: Number of scenes, ``>= 1``; None for 30.
        size_px: Height and width of every scene, ``>= 256``.
        progress: Called with the number of scenes done and in total.

    Raises:
        DataError: ``count``, ``seed`` or ``size_px`` is too small, or ``out`` cannot be written.
    """
    count = DEFAULT_COUNT if count is None else count
    limits = (("count", count, 1), ("seed", seed, 0), ("size_px", size_px, LEAST_SIZE_PX))
    for name, value, least in limits:
        if value < least:
            message = f"cannot draw a sample: {name} is {value}, expected {least} or more."
            raise DataError(message, path=out, hint=f"give a larger {name}.")
    lines = ["image_id,class,bounds"]
    truth: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    with staged_folder(out) as folder:
        for index in range(count):
            stem = f"site_{index:03d}"
            rng = np.random.default_rng([seed, index])
            scene = _draw_scene(rng, size_px, is_empty=index % _EMPTY_EVERY == _EMPTY_EVERY - 1)
            write_file(folder / "images" / f"{stem}.jpg", encode_jpeg(scene.image))
            lines += _describe(rng, stem, scene)
            _add_truth(truth, f"{stem}.jpg", scene, size_px)
            if progress is not None:
                progress(index + 1, count)
        write_file(folder / "annotations.csv", "".join(f"{line}\n" for line in lines).encode())
        content = {
            "info": {"description": "true masks of a synthetic sample", "version": "1"},
            "licenses": [{"id": 1, "name": "Apache-2.0", "url": ""}],
            "categories": [{"id": 1, "name": CLASSES[0], "supercategory": ""}],
            **truth,
        }
        write_file(folder / "truth" / "annotations.json", json.dumps(content).encode())


def _draw_scene(rng: Rng, size_px: int, *, is_empty: bool) -> _Scene:
    canvas = Canvas(size_px, rng)
    climate = CLIMATES[int(rng.integers(len(CLIMATES)))]
    bearing = rng.uniform(0, 2 * np.pi)
    leaning = rng.uniform(0, 2 * np.pi)
    light = Light(
        sun=np.array([np.cos(bearing), np.sin(bearing)]),
        shadow_px=float(1 / np.tan(np.radians(rng.uniform(34, 62)))),
        lean=np.array([np.cos(leaning), np.sin(leaning)]) * rng.uniform(0.02, 0.32),
    )
    draw_land(canvas, climate)
    farms = [] if is_empty else _plan_farms(rng, size_px)
    taken = [(farm.centre, farm.reach_px) for farm in farms]
    for _ in range(int(rng.integers(2, 8) * size_px / DEFAULT_SIZE_PX)):
        place = rng.uniform(0, size_px, 2)
        if all(np.linalg.norm(place - centre) > reach + 40 for centre, reach in taken):
            draw_houses(canvas, light, place, int(rng.integers(4, 32)))
    draw_lookalikes(canvas, light, list(taken))
    draw_trees(canvas, light, climate, taken)
    for farm in farms:
        draw_farm(canvas, farm, light, climate.ground)
    tanks = [tank for farm in farms for tank in farm.tanks if _is_in_sight(tank, size_px)]
    for tank in tanks:
        draw_tank_shadow(canvas, tank, light)
    for tank in sorted(tanks, key=lambda tank: float(tank.centre @ -light.lean)):
        draw_tank(canvas, tank, light)
    outlines, boxes = [], []
    for tank in tanks:
        outline = outline_of(tank, light)
        box = _draw_box(rng, outline, size_px)
        if box is not None:
            outlines.append(outline)
            boxes.append(box)
    return _Scene(_expose(canvas), tuple(outlines), tuple(boxes))


def _is_in_sight(tank: Tank, size_px: int) -> bool:
    margin = tank.radius_px - 1
    return bool((tank.centre > -margin).all() and (tank.centre < size_px + margin).all())


def _plan_farms(rng: Rng, size_px: int) -> list[Farm]:
    farms: list[Farm] = []
    for _ in range(int(rng.integers(1, 4))):
        for _ in range(12):
            sides = rng.uniform(0.14, 0.36, 2) * min(size_px, 1024)
            farm = plan_farm(rng, rng.uniform(0.08, 0.92, 2) * size_px, sides[0], sides[1])
            apart = (
                np.linalg.norm(farm.centre - other.centre) - farm.reach_px - other.reach_px
                for other in farms
            )
            if all(distance > 0 for distance in apart):
                farms.append(farm)
                break
    return farms


def _draw_box(rng: Rng, outline: Points, size_px: int) -> tuple[int, int, int, int] | None:
    """Return the annotated box of a tank, or None if the tank is hardly visible."""
    seen = np.clip(outline, 0, size_px)
    low, high = seen.min(axis=0), seen.max(axis=0)
    full = outline.max(axis=0) - outline.min(axis=0)
    if (high - low).min() < 3 or np.prod(high - low) < 0.25 * np.prod(full):
        return None
    corners = np.concatenate([low, high]) + rng.normal(0, 0.6, 4)
    x0, y0, x1, y1 = np.clip(np.rint(corners), 0, size_px).astype(int).tolist()
    return x0, y0, max(x1, x0 + 2), max(y1, y0 + 2)


def _describe(rng: Rng, stem: str, scene: _Scene) -> list[str]:
    """Return the rows of a scene: one in a hundred has swapped corners, a few occur twice."""
    lines = []
    for x0, y0, x1, y1 in scene.boxes:
        bounds = (x0, y1, x1, y0) if rng.random() < 0.01 else (x0, y0, x1, y1)
        lines += [f'{stem},{CLASSES[0]},"{bounds}"'] * (2 if rng.random() < 0.004 else 1)
    return lines


def _expose(canvas: Canvas) -> Image:
    """Return the image at its final size, 8-bit RGB, with a sensor's blur, haze, gain and noise."""
    rng, size = canvas.rng, (canvas.size_px, canvas.size_px)
    sharp = cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(sharp, (0, 0), float(rng.uniform(0.45, 0.8)))
    crisp = soft + 0.5 * (soft - cv2.GaussianBlur(soft, (0, 0), 1.5))
    haze = rng.uniform(0, 0.14)
    tint = rng.normal(1, 0.03, 3) * rng.uniform(0.82, 1.12)
    image: NDArray[np.float64] = crisp * tint * (1 - haze) + haze * np.array([196, 204, 214])
    image += rng.normal(0, rng.uniform(1.5, 4), image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def _add_truth(
    truth: dict[str, list[dict[str, Any]]], file_name: str, scene: _Scene, size_px: int
) -> None:
    image_id = len(truth["images"]) + 1
    image = {"id": image_id, "file_name": file_name, "width": size_px, "height": size_px}
    truth["images"].append(image)
    for outline in scene.outlines:
        low, high = (getattr(np.clip(outline, 0, size_px), side)(axis=0) for side in ("min", "max"))
        truth["annotations"].append(
            {
                "id": len(truth["annotations"]) + 1,
                "image_id": image_id,
                "category_id": 1,
                "bbox": np.round([*low, *(high - low)], 2).tolist(),
                "area": round(float(cv2.contourArea(outline.astype(np.float32))), 2),
                "iscrowd": 0,
                "segmentation": [np.round(outline, 2).ravel().tolist()],
            }
        )
