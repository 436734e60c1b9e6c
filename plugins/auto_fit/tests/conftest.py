# SPDX-License-Identifier: Apache-2.0
"""Facts of drawn data, and prepared folders of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import zoo
from zoo.data import Prepared, read_prepared
from zoo.interfaces import ClassFacts, Fingerprint, Machine, Spread

CPU = Machine(2, 16 * 2**30)
GPU = Machine(16, 64 * 2**30, "a GPU", 40 * 2**30)

Mask = NDArray[np.uint8]


def same(value: float) -> Spread:
    """Return a spread without any."""
    return Spread(value, value, value)


def facts(**over: Any) -> Fingerprint:
    """Return facts of 100 grey images of 512x512 px with one kind of blob."""
    values: dict[str, Any] = {
        "task": "semantic",
        "dataset": "zoo.folder_data.FolderDataset",
        "root": "data/drawn",
        "images": {"train": 100, "val": 10, "test": 10},
        "groups": {"train": 100, "val": 10, "test": 10},
        "sampled": 100,
        "height_px": same(512.0),
        "width_px": same(512.0),
        "channels": 1,
        "bits_per_sample": 8,
        "classes": (
            ClassFacts(name="ground", pixel_share=0.8, images=100, objects=0),
            ClassFacts(name="blob", pixel_share=0.2, images=90, objects=200),
        ),
        "object_px": Spread(60.0, 80.0, 100.0),
        "thickness_px": Spread(40.0, 60.0, 80.0),
        "aspect": Spread(1.0, 1.1, 1.2),
        "objects_per_image": Spread(0.0, 2.0, 4.0),
        "touching_share": 0.0,
    }
    return Fingerprint(**(values | over))


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Prepared]:
    """Return a function that prepares drawn masks of two classes, ground and thing.

    Each image shows its mask, so that a network can learn it.
    """

    def make(masks: list[Mask], name: str = "drawn", **options: Any) -> Prepared:
        raw = tmp_path / f"{name}-raw"
        write_raw(raw, masks)
        zoo.prepare("folder_data", raw, tmp_path / name, task="semantic", **options)
        return read_prepared(tmp_path / name)

    return make


def write_raw(raw: Path, masks: list[Mask]) -> None:
    """Write a raw folder: images, masks and the list of their classes."""
    for folder in ("images", "masks"):
        (raw / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, mask in enumerate(masks):
        image = rng.integers(0, 60, mask.shape, np.uint8) + 150 * (mask > 0).astype(np.uint8)
        cv2.imwrite(str(raw / "images" / f"{number:03}.png"), image)
        cv2.imwrite(str(raw / "masks" / f"{number:03}.png"), mask)
    rows = [("ground", 0, [0, 0, 0]), ("thing", 1, [255, 196, 0])]
    text = "".join(f'[[class]]\nname = "{n}"\nvalue = {v}\ncolor = {c}\n\n' for n, v, c in rows)
    (raw / "classes.toml").write_text(text, encoding="utf-8")


def squares(count: int = 20, size: int = 64, side: int = 20) -> list[Mask]:
    """Draw one square each, at seeded places."""
    rng = np.random.default_rng(1)
    masks = []
    for _ in range(count):
        mask = np.zeros((size, size), np.uint8)
        x, y = rng.integers(2, size - side - 2, 2)
        mask[y : y + side, x : x + side] = 1
        masks.append(mask)
    return masks
