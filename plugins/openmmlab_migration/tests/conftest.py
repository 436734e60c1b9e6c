# SPDX-License-Identifier: Apache-2.0
"""Old configs, pictures to train on, and the command as a function."""

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def old_configs() -> ModuleType:
    """The package beside this file that writes old configs."""
    name, folder = "zoo_openmmlab_migration_old_configs", HERE / "old_configs"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its own modules look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def migrate() -> Callable[..., Result]:
    """Run ``zoo migrate`` in this process, by the installed command ``zoo``."""
    (entry,) = entry_points(group="console_scripts", name="zoo")
    main = entry.load()

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, ["migrate", *map(str, words)])

    return run


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures with a bright square each, as masks and as COCO JSON; gives the folder."""
    root = tmp_path_factory.mktemp("pictures")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        images, annotations = [], []
        for number in range(4):
            x, y, side = (int(v) for v in rng.integers((4, 4, 40), (12, 12, 48)))
            mask = np.zeros((80, 80), np.uint8)
            mask[y : y + side, x : x + side] = 1
            image = rng.integers(0, 80, (80, 80, 3), np.uint8) + 150 * mask[..., None]
            name = f"{split}{number}"
            cv2.imwrite(str(root / "images" / f"{name}.png"), image.astype(np.uint8))
            cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
            images.append({"id": number, "file_name": f"{name}.png", "width": 80, "height": 80})
            outline = [x, y, x + side, y, x + side, y + side, x, y + side]
            box: dict[str, Any] = {"bbox": [x, y, side, side], "area": side**2, "iscrowd": 0}
            box |= {"id": number, "image_id": number, "category_id": 1, "segmentation": [outline]}
            annotations.append(box)
        coco = {"images": images, "annotations": annotations}
        coco["categories"] = [{"id": 1, "name": "square"}]
        (root / f"{split}.json").write_text(json.dumps(coco), encoding="utf-8")
    return root
