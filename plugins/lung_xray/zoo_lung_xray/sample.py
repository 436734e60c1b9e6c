# SPDX-License-Identifier: Apache-2.0
"""Generate a seeded synthetic chest X-ray set with the layout and file names of the public set.

It replaces real data in demonstrations and tests, and uses the same ``prepare``. Its images look
like chests, but models trained on them know nothing about patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data import encode_png, staged_folder, write_file
from zoo.errors import DataError
from zoo_lung_xray.anatomy import Chest, draw_chest
from zoo_lung_xray.facts import REPEAT_PATIENTS, read_stem
from zoo_lung_xray.radiograph import draw_exposure, render_mask, render_radiograph

__all__ = ["write_sample"]

DEFAULT_COUNT = 60
UNLABELLED = 3  # images without a mask, in CXR_png and also in test
MONTGOMERY_SHARE = 0.45
ROOT = "Lung Segmentation"

# Random streams: each image has its own, so that a larger set begins with a smaller one.
FINDINGS, BODY, POSE, EXPOSURE, PICTURE = range(5)


@dataclass(frozen=True, slots=True)
class _Item:
    """An image of the set, and whether it has a mask."""

    stem: str
    has_mask: bool = True


def write_sample(
    out: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    size_px: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``Lung Segmentation/{CXR_png,masks,test}`` with synthetic radiographs under ``out``.

    Shenzhen-like images (``CHNCXR_####_#.png``, 8-bit grey) have masks named ``..._mask.png``;
    Montgomery-like images (``MCUCXR_####_#.png``) have masks with the same name. The last digit is
    1 if the lungs have opacities. Masks have interpolated grey levels along their edges. Sets of
    ten pairs or more have five exposures of two repeat patients. Three images have no mask, and
    are also in ``test``; one mask has no image. Equal arguments give equal bytes with equal
    versions of NumPy and OpenCV.

    Args:
        out: Folder to create; it must not exist, or be empty.
        seed: Integer >= 0; another seed gives other patients.
        count: Number of pairs of image and mask, >= 1; None for 60.
        size_px: Height and width of every image, >= 64.
        progress: Called with the number of images done and in total.

    Raises:
        DataError: ``count``, ``seed`` or ``size_px`` is too small, or ``out`` cannot be written.
    """
    count = DEFAULT_COUNT if count is None else count
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("size_px", size_px, 64)):
        if value < least:
            message = f"cannot draw a sample: {name} is {value}, expected {least} or more."
            raise DataError(message, path=out, hint=f"give a larger {name}.")
    items = list(_items(count, seed))
    with staged_folder(out) as folder:
        for folder_name in ("CXR_png", "masks", "test"):
            (folder / ROOT / folder_name).mkdir(parents=True)
        for done, item in enumerate(items, start=1):
            _write_item(folder / ROOT, item, seed, size_px)
            if progress is not None:
                progress(done, len(items))
        orphan = _draw_patient("CHNCXR_0000_0", seed, size_px)
        write_file(
            folder / ROOT / "masks" / "CHNCXR_0000_0_mask.png", encode_png(render_mask(orphan))
        )


def _items(count: int, seed: int) -> Iterator[_Item]:
    """Yield the images: repeat patients first among Montgomery's, unlabelled last."""
    montgomery = int(count * MONTGOMERY_SHARE)
    repeats = [number for patient in REPEAT_PATIENTS for number in patient]
    fresh = (number for number in range(1, 10_000) if number not in repeats)
    numbers = repeats if count >= 10 and montgomery >= len(repeats) else []
    numbers = numbers + [next(fresh) for _ in range(montgomery - len(numbers))]
    for number in numbers:
        yield _Item(f"MCUCXR_{number:04d}_{_finding('MCUCXR', number, seed)}")
    shenzhen = count - montgomery
    for number in range(1, shenzhen + UNLABELLED + 1):
        stem = f"CHNCXR_{number:04d}_{_finding('CHNCXR', number, seed)}"
        yield _Item(stem, has_mask=number <= shenzhen)


def _finding(prefix: str, number: int, seed: int) -> int:
    patient = read_stem(f"{prefix}_{number:04d}_0").patient
    return int(_stream(FINDINGS, patient, seed).random() < 0.4)


def _stream(purpose: int, name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, *name.encode()])


def _draw_patient(stem: str, seed: int, size_px: int) -> Chest:
    body = _stream(BODY, read_stem(stem).patient, seed)
    return draw_chest(body, _stream(POSE, stem, seed), size_px)


def _write_item(root: Path, item: _Item, seed: int, size_px: int) -> None:
    facts = read_stem(item.stem)
    chest = _draw_patient(item.stem, seed, size_px)
    rng = _stream(PICTURE, item.stem, seed)
    picture = render_radiograph(
        chest,
        draw_exposure(_stream(EXPOSURE, item.stem, seed), facts.source_set),
        rng,
        opacities=int(rng.integers(1, 7)) if facts.tuberculosis else 0,
    )
    encoded = encode_png(picture)
    write_file(root / "CXR_png" / f"{item.stem}.png", encoded)
    if not item.has_mask:
        write_file(root / "test" / f"{item.stem}.png", encoded)
        return
    ending = "_mask" if facts.source_set == "shenzhen" else ""
    write_file(root / "masks" / f"{item.stem}{ending}.png", encode_png(render_mask(chest)))
