# SPDX-License-Identifier: Apache-2.0
"""Data that the scripts are run on."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Write the layout of DRIVE with two pictures of 64x64 px a split."""
    import cv2
    import numpy as np

    root = tmp_path / "DRIVE"
    for split in ("training", "validation"):
        for number in range(2):
            mask = np.zeros((64, 64), np.uint8)
            mask[10:40, 20 : 30 + number] = 1
            for folder, name, array in (
                ("images", f"{number}.png", mask * 100),
                ("annotations", f"{number}_manual1.png", mask),
            ):
                (root / folder / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / folder / split / name), array)
    return root
