# SPDX-License-Identifier: Apache-2.0
"""``zoo rank`` and ``zoo assess`` read what ``zoo predict`` reads, and go on after a bad image."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_uncertainty.calibrate_command import command as calibrate_command
from zoo_uncertainty.members import open_members
from zoo_uncertainty.rank_command import assess_command, rank_command

import zoo
from zoo.data import encode_png, read_picture
from zoo.errors import DataError

pydicom = pytest.importorskip("pydicom")
pytestmark = [pytest.mark.mm, pytest.mark.slow]

Array = np.ndarray[Any, Any]
OFFSETS = {"a_sure": 110, "b_middle": 60, "c_unsure": 5}


def write_dicom(path: Path, grey: Array) -> None:
    """Write grey values as a detector of 12 bits: the window shows all, and small values bright."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    scan = Dataset()
    scan.file_meta = FileMetaDataset()
    scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan.SOPClassUID, scan.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    scan.PatientName = "SECRET^NAME"
    scan.Rows, scan.Columns = grey.shape
    scan.SamplesPerPixel, scan.PhotometricInterpretation = 1, "MONOCHROME1"
    scan.BitsAllocated, scan.BitsStored, scan.HighBit = 16, 12, 11
    scan.PixelRepresentation = 0
    scan.WindowCenter, scan.WindowWidth = 2048, 4096
    stored = 4095 - np.rint(grey.astype(np.float64) * 4095 / 255)
    scan.add_new("PixelData", "OW", stored.astype("<u2").tobytes())
    scan.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def model(planted_model: Callable[..., str], planted_data: Path) -> str:
    """Return a model that reads X-rays, with its calibration beside it."""
    found = planted_model(2.0, loader={"type": "zoo.lung_xray.LoadXray"})
    words = (found, "--data", str(planted_data), "--device", "cpu")
    calibrate_command.main([*words], standalone_mode=False)
    return found


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return folders ``png`` and ``dicom`` of the same pictures; the first DICOM has no suffix."""
    folder, generator = tmp_path_factory.mktemp("twins"), np.random.default_rng(0)
    for kind in ("png", "dicom"):
        (folder / kind).mkdir()
    for (name, offset), suffix in zip(OFFSETS.items(), ("", ".dcm", ".dcm"), strict=True):
        signs = np.where(generator.random((20, 30)) < 0.5, -1, 1)
        grey = np.clip(127.5 + signs * offset, 0, 255).astype(np.uint8)
        (folder / "png" / f"{name}.png").write_bytes(encode_png(grey))
        write_dicom(folder / "dicom" / f"{name}{suffix}", grey)
    return folder


@pytest.fixture
def mixed(twins: Path, tmp_path: Path) -> Path:
    """Return a folder of two good images, two bad ones, and two files that are none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    whole = (twins / "dicom" / "c_unsure.dcm").read_bytes()
    (folder / "c_unsure.dcm").write_bytes(whole)
    (folder / "a_sure.png").write_bytes((twins / "png" / "a_sure.png").read_bytes())
    (folder / "cut.dcm").write_bytes(whole[:-99])
    (folder / "empty.png").write_bytes(b"")
    (folder / "._a_sure.png").write_bytes(b"what macOS leaves")
    (folder / "notes.txt").write_text("no image")
    return folder


def run(command: Any, *words: str | Path) -> int:
    """Run a command in this process, and return its exit code."""
    code = command.main([*map(str, words), "--device", "cpu"], standalone_mode=False)
    return 0 if code is None else int(code)


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_dicom_ranks_as_its_picture_does(
    planted_model: Callable[..., str], twins: Path, tmp_path: Path, tta: str
) -> None:
    """The order, the uncertainties and the sheet are the same, to the last digit and pixel."""
    model = planted_model(2.0, loader={"type": "zoo.lung_xray.LoadXray"})
    told, sheets = [], []
    for kind in ("png", "dicom"):
        out = tmp_path / kind
        assert run(rank_command, model, twins / kind, "--out", out, "--tta", tta) == 0
        rows = json.loads((out / "ranking.json").read_text("utf-8"))["images"]
        told.append([{**row, "file": Path(row["file"]).stem} for row in rows])
        sheets.append(read_picture(out / "ranking.png").pixels)

    assert told[0] == told[1]
    assert told[0][0]["file"] == "c_unsure"
    np.testing.assert_array_equal(sheets[0], sheets[1])


def test_bad_images_do_not_stop_a_ranking(
    model: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are named on stderr, last in the table and in the JSON, and the command exits 1."""
    out = tmp_path / "out"

    code = run(rank_command, model, mixed, "--out", out)

    said = capsys.readouterr()
    with (out / "ranking.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    content = json.loads((out / "ranking.json").read_text("utf-8"))
    assert code == 1
    assert [(row["place"], Path(row["file"]).name) for row in rows] == [
        ("1", "c_unsure.dcm"),
        ("2", "a_sure.png"),
        ("", "cut.dcm"),
        ("", "empty.png"),
    ]
    assert [bool(row["error"]) for row in rows] == [False, False, True, True]
    assert [row["error"] for row in rows[2:]] == [each["error"] for each in content["failures"]]
    assert [row["file"] for row in rows[2:]] == [each["file"] for each in content["failures"]]
    assert "found a damaged DICOM file" in rows[2]["error"]
    assert "found an empty file" in rows[3]["error"]
    failed = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert failed == [f"failed: {row['file']}: {row['error']}" for row in rows[2:]]
    assert "error: 2 of 4 images failed." in said.err
    assert "HINT: replace the file with an intact copy" in said.err
    assert "ranked 2 images" in said.out
    assert "SECRET" not in said.out + said.err


def test_bad_images_do_not_stop_an_assessment(
    model: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json, rows of ``file``, ``error`` and ``hint`` come last."""
    out = tmp_path / "out"
    capsys.readouterr()

    code = run(assess_command, model, mixed, "--out", out, "--json")

    rows = json.loads(capsys.readouterr().out)
    content = json.loads((out / "assessment.json").read_text("utf-8"))
    assert code == 1
    assert rows == [*content["images"], *content["failures"]]
    assert [Path(row["file"]).name for row in rows] == [
        *("a_sure.png", "c_unsure.dcm", "cut.dcm", "empty.png")
    ]
    assert {frozenset(row) for row in rows[2:]} == {frozenset({"file", "error", "hint"})}
    drawn = read_picture(out / rows[1]["uncertainty_map"]).pixels
    assert drawn.shape == (20, 30)
    assert sorted(path.name for path in out.iterdir()) == [
        "a_sure_uncertainty.png",
        "assessment.json",
        "c_unsure_uncertainty.png",
    ]


def test_whole_folder_without_failures_has_an_empty_list(
    model: str, twins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(assess_command, model, twins / "dicom", "--out", tmp_path / "out")

    content = json.loads((tmp_path / "out" / "assessment.json").read_text("utf-8"))
    assert code == 0
    assert (len(content["images"]), content["failures"]) == (3, [])
    assert "failed" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [rank_command, assess_command])
def test_when_no_image_can_be_read_nothing_is_written(
    model: str, mixed: Path, tmp_path: Path, command: Any
) -> None:
    out = tmp_path / "out"

    with pytest.raises(DataError, match=r"cannot predict on any of 2 images; the first: .*cut"):
        run(command, model, mixed / "cut.dcm", mixed / "empty.png", "--out", out)
    with pytest.raises(DataError, match="found an empty file") as caught:
        run(command, model, mixed / "empty.png", "--out", out)

    assert "any of" not in caught.value.message
    assert not out.exists()


def band_model(planted_model: Callable[..., str]) -> str:
    """Return a model of three bands of int16, whose mean is 0: a pixel is its logit plus 127.5."""
    bands = {"names": ["a", "b", "c"], "numbers": [1, 2, 3], "count": 3, "dtype": "int16"}
    bands |= {"mean": [0.0] * 3, "std": [100.0] * 3}
    return planted_model(2.0, loader={"type": "zoo.folder_data.LoadBands", "bands": bands})


def write_bands(path: Path, samples: Array) -> Path:
    """Write three equal bands."""
    import rasterio

    size = {"height": samples.shape[0], "width": samples.shape[1], "count": 3, "dtype": "int16"}
    with (
        warnings.catch_warnings(action="ignore"),  # it has no coordinates
        rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **size) as dataset,
    ):
        dataset.descriptions = ("a", "b", "c")
        dataset.write(np.stack([samples] * 3))
    return path


def test_bands_rank_by_their_own_samples(planted_model: Callable[..., str], tmp_path: Path) -> None:
    """Samples of int16, below 0 too: the uncertainty is the entropy of ``sigmoid(2 a)``."""
    pytest.importorskip("rasterio")
    scenes = {
        "near.tif": np.full((12, 10), 120, np.int16),
        "far.tif": np.arange(-60, 60, dtype=np.int16).reshape(12, 10),
    }
    paths = [write_bands(tmp_path / name, samples) for name, samples in scenes.items()]

    code = run(rank_command, band_model(planted_model), *paths, "--out", tmp_path / "out")

    rows = json.loads((tmp_path / "out" / "ranking.json").read_text("utf-8"))["images"]
    assert code == 0
    assert [Path(row["file"]).name for row in rows] == ["near.tif", "far.tif"]
    for row in rows:
        logits = 2 * (scenes[Path(row["file"]).name] - 127.5) / 32
        share = 1 / (1 + np.exp(-logits))
        entropy = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
        assert row["uncertainty"] == pytest.approx(entropy.mean(), abs=1e-4)


def test_flip_of_bands_is_refused(planted_model: Callable[..., str], tmp_path: Path) -> None:
    """Their transform takes no pictures, and would take an array for what it reads itself."""
    path = tmp_path / "x.png"
    path.write_bytes(encode_png(np.zeros((8, 9, 3), np.uint8)))

    members = open_members([band_model(planted_model)], tta="flip", device="cpu")

    with pytest.raises(DataError, match="loads images from files"):
        members.probabilities(path)


def test_picture_is_what_the_model_sees(model: str, twins: Path) -> None:
    """Of a path as of its pixels; MONOCHROME1 is turned, and 12 bits are 8."""
    predictor = zoo.load(model, task="semantic", device="cpu")
    grey = read_picture(twins / "png" / "b_middle.png").pixels

    for given in (twins / "dicom" / "b_middle.dcm", twins / "png" / "b_middle.png", grey):
        shown = predictor.shown(given)
        np.testing.assert_array_equal(shown, np.repeat(grey[..., None], 3, axis=2))
        assert shown.dtype == np.uint8
