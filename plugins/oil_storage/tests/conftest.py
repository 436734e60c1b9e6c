# SPDX-License-Identifier: Apache-2.0
"""Raw sets for the tests: the plugin's own sample, and small ones in the Airbus layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

Box = tuple[int, int, int, int]
BOXES: tuple[Box, ...] = ((10, 12, 30, 31), (60, 8, 84, 33), (100, 90, 118, 108))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes of the sample as it comes."""
    from zoo_oil_storage.sample import write_sample

    out = tmp_path_factory.mktemp("tanks") / "sample"
    write_sample(out, seed=0, count=4)
    return out


def row(image_id: str, box: Sequence[int], name: str = "oil-storage-tank") -> str:
    return f'{image_id},{name},"({", ".join(str(side) for side in box)})"'


@pytest.fixture
def write_raw(tmp_path: Path) -> Callable[..., Path]:
    """Write ten images of 160 x 120 px and a CSV with three tanks each, or with other rows."""

    def write(rows: Sequence[str] | None = None, count: int = 10) -> Path:
        root = tmp_path / "raw"
        (root / "images").mkdir(parents=True)
        names = [f"s{number}" for number in range(count)]
        for number, name in enumerate(names):
            image = np.random.default_rng(number).integers(0, 256, (120, 160, 3), np.uint8)
            assert cv2.imwrite(str(root / "images" / f"{name}.jpg"), image)
        if rows is None:
            rows = [row(name, box) for name in names for box in BOXES]
        text = "\n".join(["image_id,class,bounds", *rows])
        (root / "annotations.csv").write_text(f"{text}\n")
        return root

    return write


@pytest.fixture(scope="session")
def real_tanks() -> Path:
    """The real scene below the folder that ZOO_REAL_DATA names."""
    root = os.environ.get("ZOO_REAL_DATA")
    if not root:
        pytest.skip("ZOO_REAL_DATA is not set: no real tanks to read")
    folder = Path(root) / "airbus_oil_storage_sample"
    if not folder.is_dir():
        pytest.skip(f"ZOO_REAL_DATA has no {folder.name}")
    return folder
