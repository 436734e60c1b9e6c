# SPDX-License-Identifier: Apache-2.0
"""Generate a seeded synthetic data set in the raw layout: aerial views in four classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import encode_jpeg, encode_png, write_file

__all__ = ["write_sample"]

_COUNT, _SIZE_PX, _TILES = 48, 160, 4
_FIELD, _ROAD, _ROOF, _WATER = range(4)
_MASK_COLORS = np.array([(0, 0, 0), (128, 64, 128), (230, 159, 0), (86, 180, 233)], np.uint8)
_NAMES = ("field", "road", "roof", "water")

Rng = np.random.Generator
Labels = NDArray[np.uint8]


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``images/``, ``masks/`` and ``classes.toml``.

    Images are JPEG, masks are RGB PNG of the same names, so that the default options prepare them.
    Names are ``flight03_tile1``: four tiles of a flight share light and colours, so
    ``--group-by '^flight[0-9]+'`` keeps them together. One image has no mask, one mask is empty.

    Args:
        out: Folder to write into, new or empty.
        seed: Equal seeds give equal bytes under equal versions of NumPy and OpenCV.
        count: Number of pairs; None for 48.
        progress: Called with the number of images done and in total.
    """
    number = _COUNT if count is None else count
    for index in range(number + 1):
        scene, tile = divmod(index, _TILES)
        rng = np.random.default_rng([seed, scene, tile])
        labels: NDArray[np.uint8] = np.zeros((_SIZE_PX, _SIZE_PX), np.uint8)
        if index != 5:
            labels = _draw_land(rng, labels)
        image = _draw_light(rng, labels, np.random.default_rng([seed, scene]))
        name = f"flight{scene:02d}_tile{tile}"
        write_file(out / "images" / f"{name}.jpg", encode_jpeg(image))
        if index < number:
            write_file(out / "masks" / f"{name}.png", encode_png(_MASK_COLORS[labels]))
        if progress is not None:
            progress(index + 1, number + 1)
    write_file(out / "classes.toml", _describe().encode())


def _describe() -> str:
    rows = [
        f'[[class]]\nname = "{name}"\ncolor = "#{color.tobytes().hex()}"\n'
        for name, color in zip(_NAMES, _MASK_COLORS, strict=True)
    ]
    return "# Masks are colour pictures: no class has a value.\n\n" + "\n".join(rows)


def _draw_land(rng: Rng, labels: Labels) -> Labels:
    if rng.random() < 0.7:
        labels = _draw_water(rng, labels)
    for _ in range(int(rng.integers(1, 3))):
        ends = rng.uniform(-0.1, 1.1, (3, 2)) * _SIZE_PX
        ends[0, 0], ends[2, 0] = -8, _SIZE_PX + 8
        width_px = int(rng.integers(6, 11))
        points = ends.astype(np.int32) if rng.random() < 0.5 else ends[:, ::-1].astype(np.int32)
        labels = cv2.polylines(labels, [points], False, _ROAD, width_px)
    for _ in range(int(rng.integers(4, 11))):
        centre = tuple(rng.uniform(0.05, 0.95, 2) * _SIZE_PX)
        sides = tuple(rng.uniform(10, 30, 2))
        box = cv2.boxPoints((centre, sides, float(rng.uniform(0, 90)))).astype(np.int32)
        region = cv2.fillPoly(np.zeros_like(labels), [box], 1)
        if not labels[region == 1].any():
            labels[region == 1] = _ROOF
    return labels


def _draw_water(rng: Rng, labels: Labels) -> Labels:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = sum(rng.normal(0, 0.12) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 5))
    radius = rng.uniform(0.15, 0.3) * _SIZE_PX * (1 + waves)
    centre = rng.uniform(0.1, 0.9, 2) * _SIZE_PX
    shore = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(cv2.fillPoly(labels, [shore.astype(np.int32)], _WATER), np.uint8)


def _smooth_noise(rng: Rng, cells: int) -> NDArray[np.float32]:
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    size = (_SIZE_PX, _SIZE_PX)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _draw_light(rng: Rng, labels: Labels, scene: Rng) -> NDArray[np.uint8]:
    """Return an RGB image: colours and light of the flight, texture and noise of the tile."""
    base = np.array([(96, 122, 62), (128, 124, 120), (150, 96, 80), (46, 74, 96)], np.float32)
    base += scene.normal(0, 9, base.shape).astype(np.float32)
    sun, gain = scene.uniform(-4, 4, 2), scene.uniform(0.75, 1.25)
    image = base[labels]
    roofs = (labels == _ROOF).astype(np.uint8)
    _, which = cv2.connectedComponents(roofs)
    image += roofs[..., None] * rng.normal(0, 22, (int(which.max()) + 1, 3))[which]
    shadow = cv2.warpAffine(roofs, np.array([[1, 0, sun[0]], [0, 1, sun[1]]]), labels.shape[::-1])
    image[(shadow == 1) & (roofs == 0)] *= 0.55
    fields = (labels == _FIELD)[..., None] * np.array([16, 14, 10])
    image += fields * (_smooth_noise(rng, 8) + 0.5 * _smooth_noise(rng, 48))[..., None]
    image += 5 * _smooth_noise(rng, 3)[..., None] + rng.normal(0, 6, image.shape)
    soft = np.asarray(cv2.GaussianBlur(image.astype(np.float32) * gain, (0, 0), 0.7))
    return np.clip(soft, 0, 255).astype(np.uint8)
