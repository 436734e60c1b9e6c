# SPDX-License-Identifier: Apache-2.0
"""The check of prepared masks: what hardly is a pair of lungs is named, real masks are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from zoo_lung_xray.checks import check_lung_masks
from zoo_lung_xray.prepare import prepare

from zoo.data import Shares, encode_png, read_prepared


def _mask(*boxes: tuple[int, int, int, int], inverted: bool = False) -> NDArray[np.uint8]:
    mask = np.zeros((40, 40), np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = 255
    return 255 - mask if inverted else mask


LEFT, RIGHT = (8, 4, 32, 16), (8, 24, 32, 36)
FAULTS = {
    "CHNCXR_0001_0": (_mask(LEFT, RIGHT), None),
    "CHNCXR_0002_0": (
        _mask(LEFT, RIGHT, inverted=True),
        "lungs fill 64% of it, expected at most 60%: is the mask inverted?",
    ),
    "CHNCXR_0003_0": (_mask(LEFT), "100% of the lungs lie in its left half: is one missing?"),
    "CHNCXR_0004_0": (_mask(RIGHT), "100% of the lungs lie in its right half: is one missing?"),
    "CHNCXR_0005_0": (
        _mask((8, 4, 10, 16), (8, 24, 10, 36)),
        "lungs fill 3.0% of it, expected at least 5%",
    ),
    "CHNCXR_0006_0": (_mask(), "it has no lung"),
}


def test_masks_that_hardly_are_lungs_are_named(
    write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    """One warning for each, with the file and what is odd about it."""
    files = {}
    for number, (stem, (mask, _)) in enumerate(FAULTS.items()):
        files[f"CXR_png/{stem}.png"] = encode_png(np.full((40, 40), 60 + number, np.uint8))
        files[f"masks/{stem}_mask.png"] = encode_png(mask)
    prepare(write_raw(files), tmp_path / "out", shares=Shares(1, 0, 0))

    results = list(check_lung_masks(read_prepared(tmp_path / "out")))

    wanted = {f"masks/{stem}.png": said for stem, (_, said) in FAULTS.items() if said}
    assert {result.where: result.found for result in results} == wanted
    assert {result.level for result in results} == {"warning"}
    assert all(result.mend for result in results)


def test_masks_of_the_sample_are_lungs(sample: Path, tmp_path: Path) -> None:
    prepare(sample, tmp_path / "out", shares=Shares())

    (result,) = check_lung_masks(read_prepared(tmp_path / "out"))

    assert result.level == "ok"


@pytest.mark.real_data
def test_real_masks_are_lungs(real_xrays: Path, tmp_path: Path) -> None:
    """None of Montgomery's and Shenzhen's masks is doubted."""
    prepare(real_xrays, tmp_path / "out", shares=Shares(), size="256")

    (result,) = check_lung_masks(read_prepared(tmp_path / "out"))

    assert result.found == "each of 300 masks can be a pair of lungs"
