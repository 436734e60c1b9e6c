# SPDX-License-Identifier: Apache-2.0
"""The images on which an export is compared with its original."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import zoo
from zoo.data import decode_mask, read_file, read_picture, read_prepared
from zoo.errors import DataError, ZooError

__all__ = [
    "Images",
    "Sample",
    "find_held_out",
    "find_images",
    "is_prepared",
    "read_split",
    "smooth_noise",
]

_LOG = logging.getLogger("zoo")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
_MOST = 100
_DRAWN, _SHARES = 8, (0.5, 0.25, 0.25)  # of a sample that a data set draws


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An image and, if it is known, its truth.

    Attributes:
        name: For messages.
        pixels: ``(H, W, 3)`` uint8, RGB.
        truth: ``(H, W)`` class ids, 255 for what is not labelled; or None.
    """

    name: str
    pixels: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """What an export is compared on.

    Attributes:
        samples: The images.
        facts: What they are, for the certificate: ``kind``, ``name`` and ``sha256`` of the
            pixels and the truth.
    """

    samples: tuple[Sample, ...]
    facts: dict[str, Any]


def find_images(
    classes: Sequence[str], name: str, data: Path | None, *, task: str = "semantic"
) -> Images:
    """Return the images that were given, else a sample of the weights' own data set.

    Args:
        classes: The classes of the model; only masks of the same ones are compared with.
        name: The name of the model: of its weights, if it has a row.
        data: A prepared folder, a folder of images, or an image; or None.
        task: What the model predicts.

    Raises:
        DataError: They cannot be read, or there are none.
    """
    if data is None:
        return _own_sample(name, classes, task) or _generated()
    if is_prepared(data):
        return _prepared(data, classes, "prepared folder", data.resolve().name)
    if data.is_dir():
        paths = sorted(path for path in data.iterdir() if path.suffix.lower() in _SUFFIXES)
        kind = "folder of images"
    else:
        paths, kind = [data], "image"
    if not paths:
        message = f"cannot compare on {data.name!r}: found no image in it."
        hint = f"give a prepared folder, or one with {', '.join(sorted(_SUFFIXES))}."
        raise DataError(message, path=data, hint=hint)
    return _images(kind, data.resolve().name, (Sample(p.name, _read(p)) for p in paths[:_MOST]))


def is_prepared(data: Path) -> bool:
    """Return whether it is a folder of ``zoo data prepare``.

    Args:
        data: A path.
    """
    return (data / "dataset.json").is_file()


def find_held_out(folder: Path, classes: Sequence[str]) -> Images:
    """Return images on which nothing was fitted: of the test split, or else of val.

    Args:
        folder: A prepared folder.
        classes: The classes of the model; only masks of the same ones are compared with.

    Raises:
        DataError: They cannot be read, or both splits are empty.
    """
    for split in ("test", "val"):
        found = read_split(folder, classes, split)
        if found.samples:
            return found
    message = f"cannot compare on {folder.name!r}: its test split and its val split are empty."
    hint = "prepare it with --shares, for example 0.8,0.1,0.1."
    raise DataError(message, path=folder, hint=hint)


def read_split(folder: Path, classes: Sequence[str], split: str) -> Images:
    """Return the images of a split; of more than 100, some from all over it.

    Args:
        folder: A prepared folder.
        classes: The classes of the model.
        split: One of ``zoo.data.SPLITS``.

    Raises:
        DataError: They cannot be read.
    """
    prepared = read_prepared(folder)
    stems = [file.stem for file in prepared.files if file.split == split]
    samples = _samples(prepared, stems[:: max(1, -(-len(stems) // _MOST))], classes)
    found = _images("prepared folder", folder.resolve().name, samples)
    return Images(found.samples, {**found.facts, "split": split})


def _read(path: Path) -> NDArray[np.uint8]:
    pixels = read_picture(path).to_uint8()
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _truth(path: Path) -> NDArray[np.uint8]:
    return np.asarray(decode_mask(read_file(path), str(path), palette="index").pixels, np.uint8)


def _images(kind: str, name: str, samples: Iterator[Sample] | Sequence[Sample]) -> Images:
    found, digest = tuple(samples), hashlib.sha256()
    for sample in found:
        digest.update(f"{sample.pixels.shape}".encode())
        digest.update(sample.pixels.tobytes())
        if sample.truth is not None:
            digest.update(f"truth {sample.truth.shape}".encode())
            digest.update(sample.truth.tobytes())
    return Images(found, {"kind": kind, "name": name, "sha256": digest.hexdigest()})


def _prepared(folder: Path, classes: Sequence[str], kind: str, name: str) -> Images:
    """Return the images of the test split; of a sample, or without a test split, all."""
    prepared = read_prepared(folder)
    tested = [file.stem for file in prepared.files if file.split == "test" and kind != "sample"]
    stems = tested or [file.stem for file in prepared.files]
    return _images(kind, name, _samples(prepared, stems[:_MOST], classes))


def _samples(prepared: Any, stems: Sequence[str], classes: Sequence[str]) -> Iterator[Sample]:
    is_labelled = prepared.task == "semantic" and prepared.classes == tuple(classes)
    for stem in stems:
        path = prepared.image_path(stem)
        path = path if path.is_file() else prepared.image_path(stem, ".jpg")
        truth = _truth(prepared.mask_path(stem)) if is_labelled else None
        yield Sample(path.name, _read(path), truth)


def _own_sample(name: str, classes: Sequence[str], task: str) -> Images | None:
    """Return what the data set beside the weights draws; None if the plugin draws nothing."""
    try:
        record = zoo.read_catalog().find("weights", name).record
        rows = [row for row in record.checked().datasets if row.sample and row.prepare]
    except ZooError:  # a work dir, or a file: it has no row
        return None
    for row in rows:
        if row.task != task:
            continue
        dataset = f"{record.name}.{row.name}"
        with tempfile.TemporaryDirectory(prefix="zoo-export-") as scratch:
            raw, out = Path(scratch, "raw"), Path(scratch, "prepared")
            zoo.sample(dataset, raw, task=task, seed=0, count=_DRAWN)
            zoo.prepare(dataset, raw, out, task=task, shares=_SHARES)
            return _prepared(out, classes, "sample", dataset)
    return None


def _generated() -> Images:
    sizes = [(256, 256), (384, 512)]
    samples = [Sample(f"{h}x{w}", smooth_noise(h, w, seed=h)) for h, w in sizes]
    return _images("generated", "smooth noise", samples)


def smooth_noise(height_px: int, width_px: int, *, seed: int) -> NDArray[np.uint8]:
    """Return an image with structure of several sizes, the same for equal arguments.

    Args:
        height_px: Its height.
        width_px: Its width.
        seed: Random seed.
    """
    drawn, total = np.random.default_rng(seed), np.zeros((height_px, width_px, 3), np.float32)
    for cells in (2, 5, 13, 34):
        coarse = drawn.random((cells, cells, 3), np.float32)
        total += cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    total -= total.min()
    scaled: NDArray[np.uint8] = np.rint(total * (255 / max(float(total.max()), 1e-6))).astype(
        np.uint8
    )
    return scaled
