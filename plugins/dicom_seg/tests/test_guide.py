# SPDX-License-Identifier: Apache-2.0
"""The guide: its commands run on drawn radiographs with the shipped model, its codes are read."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import zoo

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from zoo_dicom_seg.coding import read_codes  # noqa: E402 (after the skips)

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "clinic.md"
pytestmark = [
    pytest.mark.mm,
    pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not here"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]


def _blocks(sort: str) -> list[str]:
    return re.findall(rf"^```{sort}\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_commands_turn_radiographs_into_segmentations(
    tmp_path: Path, scan: Callable[..., Path], run_zoo: Callable[..., Any]
) -> None:
    """One is inverted; the mask is the label map of `zoo predict`, and it shows lungs."""
    zoo.sample("lung_xray", tmp_path / "raw", count=2, size_px=128)
    pictures = sorted((tmp_path / "raw").rglob("CXR_png/*.png"))[:2]
    for number, picture in enumerate(pictures):
        grey = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        kind = ("MONOCHROME2", "MONOCHROME1")[number % 2]
        pixels = grey if kind == "MONOCHROME2" else 255 - grey
        data = {"PhotometricInterpretation": kind, "PixelData": pixels.tobytes()}
        scan(tmp_path / "scans" / f"{number}.dcm", grey.shape, **data)
    lines = [line for block in _blocks("") for line in block.splitlines()]
    lines = [line for line in lines if line.startswith("zoo ")]

    for line in lines:
        done = run_zoo(
            *shlex.split(line)[1:],
            plugins="lung_xray,configs,segmentation_metrics,dice_loss,dicom_seg",
        )
        assert done.returncode == 0, done.stderr

    assert len(lines) == 2
    predicted = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert len(predicted["images"]) == 2
    for row in predicted["images"]:
        labels = cv2.imread(str(tmp_path / "found" / row["label"]), cv2.IMREAD_UNCHANGED)
        assert labels is not None
        name = row["label"].removesuffix("_label.png")
        found = pydicom.dcmread(tmp_path / "archive" / f"{name}.seg.dcm")
        np.testing.assert_array_equal(found.pixel_array, labels)
        assert labels.any()
        (segment,) = found.SegmentSequence
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lung"
        (by,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (by.AlgorithmName, by.AlgorithmVersion) == (
            "unet_lung_montgomery",
            predicted["model"]["sha256"][:16],
        )
        assert segment.SegmentDescription == predicted["notice"]
        assert (tmp_path / "archive" / f"{name}.overlay.dcm").is_file()


def test_codes_of_the_guide_are_read(tmp_path: Path) -> None:
    (text,) = _blocks("toml")
    (tmp_path / "codes.toml").write_text(text)

    assert read_codes(tmp_path / "codes.toml")["left lung"].type.value == "44029006"
