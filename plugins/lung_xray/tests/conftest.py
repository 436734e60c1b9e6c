# SPDX-License-Identifier: Apache-2.0
"""Raw sets for the tests: the plugin's own sample, and small ones written file by file."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.data import encode_png

HALF = np.zeros((16, 16), np.uint8)
HALF[:, :8] = 255


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as it comes, 60 pairs, but of 192 px."""
    from zoo_lung_xray.sample import write_sample

    out = tmp_path_factory.mktemp("lung") / "sample"
    write_sample(out, seed=0, size_px=192)
    return out


@pytest.fixture
def write_raw(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of raw sets: ``write_raw({"masks/x.png": array_or_bytes})``."""

    def write(files: dict[str, np.ndarray | bytes], root: str = "Lung Segmentation") -> Path:
        for name, content in files.items():
            path = tmp_path / "raw" / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else encode_png(content))
        return tmp_path / "raw"

    return write


@pytest.fixture
def pairs() -> dict[str, np.ndarray]:
    """Three Montgomery and three Shenzhen pairs of 16 px, with the names of the public set."""
    rng = np.random.default_rng(0)
    files: dict[str, np.ndarray] = {}
    for number in (1, 2, 3):
        for prefix, ending in (("MCUCXR", ""), ("CHNCXR", "_mask")):
            stem = f"{prefix}_{number:04d}_0"
            files[f"CXR_png/{stem}.png"] = rng.integers(0, 256, (16, 16), np.uint8)
            files[f"masks/{stem}{ending}.png"] = HALF
    return files


@pytest.fixture(scope="session")
def real_xrays() -> Path:
    """The real set below the folder that ZOO_REAL_DATA names."""
    root = os.environ.get("ZOO_REAL_DATA")
    if not root:
        pytest.skip("ZOO_REAL_DATA is not set: no real chest X-rays to read")
    folder = Path(root) / "chest_xray_masks_and_labels"
    if not folder.is_dir():
        pytest.skip(f"ZOO_REAL_DATA has no {folder.name}")
    return folder
