# SPDX-License-Identifier: Apache-2.0
"""What is found on real X-rays holds on others, also for a model that is a poor one."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from zoo_uncertainty.calibrating import Request, calibrate

import zoo

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.real_data]

COUNT = 40


@pytest.fixture(scope="module")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared folder of a few real X-rays, half of them val and half test."""
    root = os.environ.get("ZOO_REAL_DATA")
    source = Path(root or "") / "chest_xray_masks_and_labels" / "Lung Segmentation"
    if not root or not source.is_dir():
        pytest.skip("ZOO_REAL_DATA is not set, or has no chest_xray_masks_and_labels")
    folder = tmp_path_factory.mktemp("real")
    masks = sorted((source / "masks").glob("CHNCXR_*_mask.png"))
    for mask in masks[:: len(masks) // COUNT][:COUNT]:
        name = mask.name.replace("_mask", "")
        for part, file in (("masks", mask.name), ("CXR_png", name)):
            target = folder / "raw" / source.name / part / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / part / file, target)
    zoo.prepare("lung_xray", folder / "raw", folder / "data", shares="0,0.5,0.5", size="64")
    return folder / "data"


@pytest.mark.parametrize("alpha", [0.2, 0.4])
def test_no_more_is_missed_in_other_patients_than_stated(
    real_data: Path, planted_model: Callable[..., str], alpha: float
) -> None:
    """By a model that takes dark pixels for lung; within two standard errors of 20 patients."""
    model = planted_model(-1.0)

    found, _ = calibrate(Request([model], real_data, alpha=alpha, check_split="test", device="cpu"))

    (lung,), check = found.classes, found.facts["check"]
    (held_out,) = check["classes"]
    assert lung.threshold is not None
    assert lung.missed is not None
    assert lung.missed <= alpha
    spread = math.sqrt(alpha * (1 - alpha) / held_out["groups"])  # the largest of a share
    assert held_out["missed"] <= alpha + 2 * spread
    assert held_out["dice_within"] >= 1 - alpha - 2 * spread
    assert check["after"]["nll"] < check["before"]["nll"]
