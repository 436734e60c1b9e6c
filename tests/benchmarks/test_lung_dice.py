# SPDX-License-Identifier: Apache-2.0
"""How the recomputed Dice pairs label images with the masks."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "lung_dice.py"


def _write_predictions(folder: Path, *files: Path | str) -> None:
    images = [{"file": str(file), "label": f"{at}.png"} for at, file in enumerate(files)]
    (folder / "predictions.json").write_text(json.dumps({"images": images}))


def test_pair_labels_of_equal_names_goes_by_path(tmp_path: Path) -> None:
    """``a/x.png`` and ``b/x.png`` are two images; one that is gone goes by its name."""
    pair_labels: Any = runpy.run_path(str(_SCRIPT))["pair_labels"]
    images = [tmp_path / name / "x.png" for name in "ab"]
    for image in images:
        image.parent.mkdir()
        image.touch()
    _write_predictions(tmp_path, *images, "gone/y.png")

    assert pair_labels(tmp_path) == {
        images[0].resolve(): tmp_path / "0.png",
        images[1].resolve(): tmp_path / "1.png",
        Path("y.png"): tmp_path / "2.png",
    }


def test_pair_labels_of_one_image_twice_refuses(tmp_path: Path) -> None:
    pair_labels: Any = runpy.run_path(str(_SCRIPT))["pair_labels"]
    _write_predictions(tmp_path, "gone/y.png", "lost/y.png")

    with pytest.raises(SystemExit, match=r"holds two predictions of y\.png"):
        pair_labels(tmp_path)
