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
    Instance,
    Pair,
    Report,
    Scene,
    Shares,
    ellipse_polygon,
    open_source,
    pair_by_stem,
    parse_tiling,
    prepare_instances,
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


@pytest.fixture
def make_scenes(tmp_path: Path) -> Callable[..., list[Scene]]:
    """Write scenes of 90 x 70 px below ``raw``, with five discs of 6 to 16 px each."""
    import cv2
    import numpy as np

    def run(count: int = 12, suffix: str = ".png") -> list[Scene]:
        (tmp_path / "raw").mkdir(exist_ok=True)
        scenes = []
        for number in range(count):
            rng = np.random.default_rng(number)
            name = f"scene{number:02d}{suffix}"
            image = rng.integers(0, 256, (70, 90, 3), np.uint8)
            assert cv2.imwrite(str(tmp_path / "raw" / name), image)
            boxes = []
            for side in rng.integers(6, 17, 5).tolist():
                x, y = rng.integers(0, [75, 55]).tolist()
                boxes.append((float(x), float(y), float(x + side), float(y + side)))
            discs = (Instance(box, 0, [ellipse_polygon(box)], "list.csv") for box in boxes)
            scenes.append(Scene(name[:7], name[:7], name, tuple(discs)))
        return scenes

    return run


@pytest.fixture(scope="session")
def prepare_discs() -> Callable[..., Report]:
    """Prepare scenes of discs, in tiles of 40 px that share 16; keywords go through."""

    def run(raw: Path, out: Path, scenes: list[Scene], *tiling: Any, **changed: Any) -> Report:
        settings: dict[str, Any] = {
            "dataset": DatasetIdentity("discs", "DiscDataset", "0.1.0"),
            "scenes": scenes,
            "classes": ("disc",),
            "palette": ((255, 196, 0),),
            "shares": Shares(0.6, 0.2, 0.2),
            "report": Report(),
            "tiling": parse_tiling(*(tiling or ("tiles", 40, 16))),
            "labels": "derived",
            "licence": "none",
        }
        with open_source(raw) as source:
            return prepare_instances(source, out, **settings | changed)

    return run
