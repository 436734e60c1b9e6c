# SPDX-License-Identifier: Apache-2.0
"""Small raw folders with a file of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VALUES = """
ignore = [255]
[[class]]
name = "ground"
value = 0
[[class]]
name = "road"
value = [1, 3]
[[class]]
name = "roof"
value = 900
color = "#102030"
"""
COLORS = """
ignore = ["#ffffff"]
[[class]]
name = "ground"
color = "#000000"
[[class]]
name = "road"
color = [[128, 64, 128], [129, 64, 128]]
"""


def write_image(path: Path, image: Any) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


@pytest.fixture
def make_raw(tmp_path: Path) -> Callable[..., Path]:
    """Write 20 pairs ``s<scene>_<n>``: RGB JPEG and 16-bit PNG masks of 0, 1, 3, 255 and 900."""
    import numpy as np

    def run(name: str = "raw", classes: str = VALUES) -> Path:
        root = tmp_path / name
        for number in range(20):
            rng = np.random.default_rng(number)
            stem = f"s{number // 2}_{number % 2}"
            image = rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)
            mask = rng.choice(np.array([0, 1, 3, 255, 900], np.uint16), (10, 14))
            write_image(root / "images" / f"{stem}.jpg", image)
            write_image(root / "masks" / f"{stem}.png", mask)
        if classes:
            (root / "classes.toml").write_text(classes)
        return root

    return run


@pytest.fixture
def make_coco(tmp_path: Path) -> Callable[..., Path]:
    """Write 20 images ``g<group>_<n>.png`` of 64 x 48 px with a house and a tree each."""
    import json

    import numpy as np

    def run(name: str = "raw") -> Path:
        root = tmp_path / name
        content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "categories": [{"id": 20, "name": "tree"}, {"id": 3, "name": "house"}],
            "annotations": [],
        }
        shapes = (
            (3, [10, 12, 20, 16], [10, 12, 30, 12, 30, 28, 10, 28]),
            (20, [40, 5, 18.5, 20], [40, 5, 58.5, 5, 50, 25]),
        )
        for number in range(20):
            rng = np.random.default_rng(number)
            file_name = f"g{number // 2}_{number % 2}.png"
            write_image(root / "images" / file_name, rng.integers(0, 256, (48, 64, 3), np.uint8))
            row = {"id": number + 1, "file_name": file_name, "width": 64, "height": 48}
            content["images"].append(row)
            for category, box, polygon in shapes:
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": number + 1,
                        "category_id": category,
                        "bbox": box,
                        "segmentation": [polygon],
                        "iscrowd": 0,
                    }
                )
        (root / "annotations.json").write_text(json.dumps(content))
        return root

    return run
