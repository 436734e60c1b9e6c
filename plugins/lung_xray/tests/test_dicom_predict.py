# SPDX-License-Identifier: Apache-2.0
"""Prediction on DICOM files, through the loading transform and through the installed command."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Shares

pydicom = pytest.importorskip("pydicom")
pytestmark = pytest.mark.mm

DicomBytes = Callable[..., bytes]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
WINDOW = {"WindowCenter": 2048, "WindowWidth": 3000, "PhotometricInterpretation": "MONOCHROME1"}
USES = {"plugins": "lung_xray,configs,segmentation_metrics,dice_loss"}


@pytest.fixture
def scan(sample: Path, dicom_bytes: DicomBytes) -> bytes:
    """The sample's first X-ray as a scanner would store it: MONOCHROME1, 12 bits, 0.5 x 0.4 mm."""
    path = min((sample / "Lung Segmentation/CXR_png").iterdir())
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16)
    return dicom_bytes(4095 - grey * 16, ImagerPixelSpacing=[0.5, 0.4], **WINDOW)


BAD = [
    ("rtdose.dcm", "found a DICOM file of 15 frames, expected one"),
    ("MR_truncated.dcm", "found a damaged DICOM file"),
    ("reportsi.dcm", "found a DICOM file with no pixels (Basic Text SR Storage)"),
    ("JPEG-lossy.dcm", "found pixels stored as 'JPEG Extended (Process 2 and 4)', which no"),
]


def own_file(name: str) -> bytes:
    return (Path(pydicom.__file__).parent / "data" / "test_files" / name).read_bytes()


def load(path: Path) -> dict[str, Any]:
    from zoo_lung_xray.loading import LoadXray

    results: dict[str, Any] = LoadXray()({"img_path": str(path)})
    return results


def test_load_xray_of_dicom_gives_what_prepare_writes(tmp_path: Path, scan: bytes) -> None:
    """Prediction on the scan and training on the prepared picture see the same pixels."""
    grey = cv2.cvtColor(load_scan(tmp_path, scan)["img"], cv2.COLOR_BGR2GRAY)
    (tmp_path / "raw/masks").mkdir()
    cv2.imwrite(str(tmp_path / "raw/masks/x.png"), (grey > 99).astype(np.uint8))

    prepare(tmp_path / "raw", tmp_path / "out", shares=Shares(1.0, 0.0, 0.0))

    raw, prepared = load(tmp_path / "raw/CXR_dcm/x.dcm"), load(tmp_path / "out/images/x.png")
    np.testing.assert_array_equal(raw["img"], prepared["img"])
    assert raw["ori_shape"] == raw["img_shape"] == raw["img"].shape[:2]
    assert (raw["bits_per_sample"], raw["channels"], raw["source_set"]) == (12, 1, "other")
    assert (raw["spacing_mm"], raw["spacing_from"]) == ((0.5, 0.4), "ImagerPixelSpacing")
    assert "spacing_mm" not in prepared


def load_scan(root: Path, scan: bytes) -> dict[str, Any]:
    path = root / "raw/CXR_dcm/x.dcm"
    path.parent.mkdir(parents=True)
    path.write_bytes(scan)
    return load(path)


def test_load_xray_of_dicom_without_spacing_says_none(
    tmp_path: Path, dicom_bytes: DicomBytes
) -> None:
    (tmp_path / "x.dcm").write_bytes(dicom_bytes(np.zeros((3, 4), np.uint16)))

    assert not [key for key in load(tmp_path / "x.dcm") if key.startswith("spacing")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.dcm", b"", True),
        ("IM1", bytes(128) + b"DICM", True),
        ("IM1", b"", False),
        ("x.txt", bytes(128) + b"DICM", False),
    ],
)
def test_load_xray_reads_dicom_by_suffix_or_mark(
    tmp_path: Path, name: str, content: bytes, expected: bool
) -> None:
    """A bad ``.dcm`` counts: it is reported rather than passed over."""
    from zoo_lung_xray.loading import LoadXray

    (tmp_path / name).write_bytes(content)

    assert LoadXray.reads(tmp_path / name) is expected
    assert LoadXray.reads(tmp_path / "gone") is False


def test_rows_of_the_prepared_set_have_the_spacing_of_their_own_pixels(
    tmp_path: Path, scan: bytes
) -> None:
    """192x192 px of 0.5 x 0.4 mm at 64x96 (width x height) are 1.0 x 1.2 mm."""
    from zoo_lung_xray.dataset import LungXrayDataset

    load_scan(tmp_path, scan)
    (tmp_path / "raw/masks").mkdir()
    for name in ("masks/x.png", "masks/y.png", "CXR_dcm/y.png"):
        cv2.imwrite(str(tmp_path / "raw" / name), np.eye(192, dtype=np.uint8))
    out = tmp_path / "out"
    prepare(tmp_path / "raw", out, shares=Shares(1.0, 0.0, 0.0), size="64x96")

    rows = {
        Path(r["img_path"]).stem: r
        for r in LungXrayDataset(
            data_root=str(out), ann_file="splits/train.txt", lazy_init=False, pipeline=[]
        )
    }

    assert rows["x"]["spacing_mm"] == pytest.approx((1.0, 1.2))
    assert "spacing_mm" not in rows["y"]


@pytest.mark.slow
def test_command_predicts_a_folder_of_dicom_with_areas_in_mm2(
    tmp_path: Path, scan: bytes, run_zoo: RunZoo
) -> None:
    """The shipped weights find the same lungs as on the PNG; bad files are listed with reasons."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/IM0001").write_bytes(scan)
    (tmp_path / "in/README").write_bytes(b"no scan")
    (tmp_path / "in/cut.dcm").write_bytes(scan[:-99])
    for name, _ in BAD:
        (tmp_path / "in" / name).write_bytes(own_file(name))
    grey = load(tmp_path / "in/IM0001")["img"][..., 0]
    cv2.imwrite(str(tmp_path / "same.png"), grey)

    args = ("predict", "unet_lung_montgomery", "in", "same.png", "--out", "o", "--device", "cpu")
    done = run_zoo(*args, **USES)

    assert done.returncode == 1, done.stderr
    text = (tmp_path / "o/predictions.json").read_text()
    document = json.loads(text)
    scanned, plain = document["images"]
    assert (scanned["file"], plain["file"]) == ("in/IM0001", "same.png")
    assert scanned["meta"] == {
        "bits_per_sample": 12,
        "channels": 1,
        "source_set": "other",
        "spacing_mm": [0.5, 0.4],
        "spacing_from": "ImagerPixelSpacing",
    }
    area = scanned["areas"]["lung"]
    assert area["px"] == plain["areas"]["lung"]["px"] > 1000
    assert area["mm2"] == pytest.approx(area["px"] * 0.5 * 0.4)
    assert "mm2" not in plain["areas"]["lung"]
    failures = {Path(failure["file"]).name: failure["error"] for failure in document["failures"]}
    assert sorted(failures) == sorted(["cut.dcm", *(name for name, _ in BAD)])
    assert "found a damaged DICOM file" in failures["cut.dcm"]
    for name, says in BAD:
        assert f"cannot read {name!r}: {says}" in failures[name]
    assert "SECRET" not in text + done.stdout + done.stderr


@pytest.mark.slow
def test_command_when_no_file_is_a_radiograph_is_refused(
    tmp_path: Path, check_refused: Callable[..., str]
) -> None:
    """Nothing is written."""
    (tmp_path / "x.dcm").write_bytes(own_file("rtdose.dcm"))

    args = ("predict", "unet_lung_montgomery", "x.dcm", "--out", "o", "--device", "cpu")
    message = check_refused(*args, guilty="x.dcm", **USES)

    assert "cannot read 'x.dcm': found a DICOM file of 15 frames, expected one." in message


@pytest.mark.slow
def test_command_when_pydicom_is_missing_has_the_line_that_installs_it(
    tmp_path: Path, scan: bytes
) -> None:
    (tmp_path / "x.dcm").write_bytes(scan)
    code = "import sys; sys.modules['pydicom'] = None; import zoo.cli; zoo.cli.main()"
    args = ["predict", "unet_lung_montgomery", "x.dcm", "--out", "o", "--device", "cpu"]

    done = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert 'HINT: pip install "pydicom>=3,<4"' in done.stderr
    assert not (tmp_path / "o").exists()
