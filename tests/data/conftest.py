# SPDX-License-Identifier: Apache-2.0
"""Small raw sets written by seeded functions, and the plainest prepare over ``zoo.data``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data import (
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    open_source,
    pair_by_stem,
    prepare_semantic,
)

IDENTITY = DatasetIdentity("blobs", "BlobDataset", "0.1.0")


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Encode an array, grey or RGB, in the format that a suffix names."""
    import cv2

    def run(image: Any, suffix: str = ".png") -> bytes:
        done, data = cv2.imencode(suffix, image[..., ::-1] if image.ndim == 3 else image)
        assert done
        return bytes(data)

    return run


@pytest.fixture
def make_raw(tmp_path: Path, encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write ``images/`` and ``masks/`` with ``p00_0.png``, ...: two pictures of each patient."""
    import numpy as np

    def run(patients: int = 12, name: str = "raw", shape: tuple[int, int] = (12, 16)) -> Path:
        root = tmp_path / name
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True)
        for number in range(2 * patients):
            rng = np.random.default_rng(number)
            stem = f"p{number // 2:02d}_{number % 2}"
            image = rng.integers(0, 256, shape, dtype=np.uint8)
            mask = np.zeros(shape, np.uint8)
            mask[2:9, 3 : 5 + number % 9] = 1
            (root / "images" / f"{stem}.png").write_bytes(encode(image))
            (root / "masks" / f"{stem}.png").write_bytes(encode(mask))
        return root

    return run


def find_pairs(source: Any, report: Report) -> list[Pair]:
    found = {
        name: [file for file in source.files() if file.folder == name]
        for name in ("images", "masks")
    }
    pairs = pair_by_stem(
        found["images"],
        found["masks"],
        report=report,
        mask_suffix="_mask",
        where=str(source.path),
    )
    return [Pair(p.stem, p.stem.split("_")[0], p.image, (p.mask,)) for p in pairs]


@pytest.fixture
def prepare() -> Callable[..., Report]:
    """Prepare ``images/`` and ``masks/`` whose values are ids; keywords go through."""

    def run(source: Path, out: Path, **changed: Any) -> Report:
        report = Report()
        with open_source(source) as opened:
            settings: dict[str, Any] = {
                "dataset": IDENTITY,
                "pairs": find_pairs(opened, report),
                "classes": ("ground", "blob"),
                "palette": ((0, 0, 0), (0, 158, 115)),
                "encode_mask": lambda masks, pair: (masks[0], []),
                "shares": Shares(0.6, 0.2, 0.2),
                "report": report,
            }
            return prepare_semantic(opened, out, **settings | changed)

    return run


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, tuple[int, str]]]:
    """Return time of change and digest of every file below a folder."""

    def run(root: Path) -> dict[str, tuple[int, str]]:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {
            str(path.relative_to(root)): (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in files
        }

    return run
