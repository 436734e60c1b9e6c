# SPDX-License-Identifier: Apache-2.0
"""``prepare`` on DICOM files: pixels, spacing, patients, and what the installed command refuses."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Shares, check_prepared
from zoo.errors import DataError

pydicom = pytest.importorskip("pydicom")

DicomBytes = Callable[..., bytes]
Raw = Callable[..., Path]
Files = dict[str, np.ndarray | bytes]
ALL = Shares(1.0, 0.0, 0.0)
HALF = np.zeros((16, 16), np.uint8)
HALF[:, :8] = 255
PREPARE = ("data", "prepare", "lung_xray", "--shares", "1,0,0", "--out", "new/out")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4096, (16, 16)).astype(np.uint16)


@pytest.fixture
def scans(dicom_bytes: DicomBytes) -> Files:
    """Three patients' DICOM files under the names that scanners give, and their masks."""
    names = {"a.dcm": "a", "IM0002": "IM0002", "1.2.840.7": "1.2.840.7", "d.DICOM": "d"}
    files: Files = {}
    for number, (name, stem) in enumerate(names.items()):
        files[f"CXR_dcm/{name}"] = dicom_bytes(
            picture(number),
            PatientID=f"SECRET-{number % 3}",
            PixelSpacing=[0.5, 0.25],
            WindowCenter=2048,
            WindowWidth=2048 + number,
        )
        files[f"masks/{stem}.png"] = HALF
    return files


def read_facts(out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "dataset.json").read_text())
    return facts


def test_prepare_when_files_are_dicom_writes_their_grey(
    write_raw: Raw, scans: Files, tmp_path: Path
) -> None:
    """Whatever they are called: ``.dcm``, ``.DICOM``, no suffix, a UID."""
    raw = write_raw(scans)

    report = prepare(raw, tmp_path / "out", shares=ALL)

    assert check_prepared(tmp_path / "out") == []
    assert report.counts["written"] == 4
    pixels = cv2.imread(str(tmp_path / "out/images/IM0002.png"), cv2.IMREAD_UNCHANGED)
    # PS3.3, C.11.2.1.2: centre 2048, width 2049
    share = np.clip((picture(1) - 2047.5) / 2048 + 0.5, 0, 1)
    assert np.abs(pixels - 255 * share).max() <= 0.5 + 1e-6
    assert {line.text for line in report.repaired if "DICOM" in line.text} == {
        "DICOM of 12 bits made 8 bits by its first window"
    }


def test_prepare_when_files_are_dicom_keeps_spacing_and_patients(
    write_raw: Raw, scans: Files, tmp_path: Path
) -> None:
    """Two pictures of one patient ID share a group; the spacing is that of the source."""
    prepare(write_raw(scans), tmp_path / "out", shares=ALL, size="8x4")

    rows = {row["stem"]: row for row in read_facts(tmp_path / "out")["files"]}
    assert rows["a"]["group"] == rows["d"]["group"] != rows["IM0002"]["group"]
    for row in rows.values():
        assert row["meta"]["spacing_mm"] == [0.5, 0.25]
        assert row["meta"]["spacing_from"] == "PixelSpacing"
        assert (row["source_height_px"], row["height_px"]) == (16, 4)


def test_prepare_when_files_are_dicom_writes_nothing_of_who_the_patient_is(
    write_raw: Raw, scans: Files, tmp_path: Path
) -> None:
    """No file of the prepared folder, report included, quotes a name or an ID."""
    prepare(write_raw(scans), tmp_path / "out", shares=ALL)

    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes(), path


def test_prepare_when_run_again_finds_dicom_unchanged(
    write_raw: Raw, scans: Files, tmp_path: Path, dicom_bytes: DicomBytes
) -> None:
    """A header that says something else of no weight changes nothing; other pixels do."""
    raw = write_raw(scans)
    prepare(raw, tmp_path / "out", shares=ALL)
    same = dicom_bytes(
        picture(0),
        PatientID="SECRET-0",
        PatientName="OTHER^NAME",
        PixelSpacing=[0.5, 0.25],
        WindowCenter=2048,
        WindowWidth=2048,
    )
    write_raw({"CXR_dcm/a.dcm": same})

    assert prepare(raw, tmp_path / "out", shares=ALL).unchanged

    write_raw({"CXR_dcm/a.dcm": dicom_bytes(picture(9), PatientID="SECRET-0")})
    with pytest.raises(DataError, match="1 changed in the source: 'a'"):
        prepare(raw, tmp_path / "out", shares=ALL)


def test_prepare_when_every_file_has_one_patient_id_goes_by_names(
    write_raw: Raw, scans: Files, tmp_path: Path, dicom_bytes: DicomBytes
) -> None:
    """As anonymised files may: each is a patient of its own, and the report says so."""
    anonymous = {
        name: dicom_bytes(picture(5), PatientID="ANON") if name.startswith("CXR_dcm") else data
        for name, data in scans.items()
    }

    report = prepare(write_raw(anonymous), tmp_path / "out", shares=ALL)

    assert len({row["group"] for row in read_facts(tmp_path / "out")["files"]}) == 4
    assert "all DICOM files state the same patient ID: it is not used" in report.summary()


def test_prepare_when_names_tell_the_patient_goes_by_them(
    write_raw: Raw, tmp_path: Path, dicom_bytes: DicomBytes
) -> None:
    """The known names of the public set outweigh what a header says."""
    stems = ("MCUCXR_0113_0", "MCUCXR_0117_0", "CHNCXR_0001_0")
    files: Files = {f"masks/{stem}.png": HALF for stem in stems}
    for number, stem in enumerate(stems):
        files[f"CXR_png/{stem}.dcm"] = dicom_bytes(picture(number), PatientID=str(number))

    prepare(write_raw(files), tmp_path / "out", shares=ALL)

    rows = read_facts(tmp_path / "out")["files"]
    assert {row["group"] for row in rows} == {"MCUCXR_0113", "CHNCXR_0001"}


def test_prepare_when_dicom_lies_in_a_zip_beside_png_reads_both(
    write_raw: Raw, scans: Files, tmp_path: Path
) -> None:
    """``CXR_dcm`` and ``CXR_png`` of one set are one set; masks may be DICOM as well."""
    mask = scans.pop("masks/d.png")
    raw = write_raw(scans | {"CXR_png/b.png": HALF, "masks/b.png": HALF, "masks/d.png": mask})
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted(path for path in raw.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(raw))

    prepare(raw, tmp_path / "one", shares=ALL)
    prepare(tmp_path / "x.zip", tmp_path / "two", shares=ALL)

    assert read_facts(tmp_path / "one")["digest"] == read_facts(tmp_path / "two")["digest"]
    assert len(read_facts(tmp_path / "one")["files"]) == 5


def test_prepare_when_a_mask_is_dicom_reads_it_as_any_mask(
    write_raw: Raw, tmp_path: Path, dicom_bytes: DicomBytes
) -> None:
    """0 and 1, as 8 bits stay."""
    labels = (HALF > 0).astype(np.uint8)
    files = {"CXR_png/x.png": HALF, "masks/x.dcm": dicom_bytes(labels, bits=8)}

    prepare(write_raw(files), tmp_path / "out", shares=ALL)

    written = cv2.imread(str(tmp_path / "out/masks/x.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, labels)


def own_file(name: str) -> bytes:
    return (Path(pydicom.__file__).parent / "data" / "test_files" / name).read_bytes()


BAD = {
    "several frames": (own_file("rtdose.dcm"), "found a DICOM file of 15 frames, expected one"),
    "no pixels": (own_file("reportsi.dcm"), "found a DICOM file with no pixels (Basic"),
    "cut short": (own_file("MR_truncated.dcm"), "found a damaged DICOM file of 9630 bytes"),
    "a syntax without decoder": (
        own_file("JPEG-lossy.dcm"),
        "found pixels stored as 'JPEG Extended (Process 2 and 4)', which no installed decoder",
    ),
    "empty": (b"", "found no mark 'DICM'"),
    "no DICOM": (b"x" * 999, "found no mark 'DICM'"),
}


@pytest.mark.parametrize(("data", "says"), BAD.values(), ids=BAD)
def test_command_when_a_dicom_file_is_bad_then_refused(
    write_raw: Raw, scans: Files, check_refused: Callable[..., str], data: bytes, says: str
) -> None:
    """One message that names the file, nothing left; good files beside it make no difference."""
    source = write_raw(scans | {"CXR_dcm/a.dcm": data})

    message = check_refused(*PREPARE, "--source", source, guilty="a.dcm", plugins="lung_xray")

    assert f"cannot read 'a.dcm': {says}" in message
    assert "SECRET" not in message


def test_command_when_several_dicom_files_are_bad_names_them_all(
    write_raw: Raw, scans: Files, check_refused: Callable[..., str]
) -> None:
    source = write_raw(scans | {"CXR_dcm/a.dcm": b"", "CXR_dcm/d.DICOM": b"x"})

    message = check_refused(*PREPARE, "--source", source, guilty="a.dcm", plugins="lung_xray")

    assert "cannot prepare 2 pairs" in message
    assert "d.DICOM" in message


def test_command_when_pydicom_is_missing_has_the_line_that_installs_it(
    write_raw: Raw, scans: Files, tmp_path: Path
) -> None:
    """Said once, before any file is read."""
    code = "import sys; sys.modules['pydicom'] = None; import zoo.cli; zoo.cli.main()"
    args = [*PREPARE, "--source", str(write_raw(scans))]

    done = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr.count("cannot read DICOM files") == 1
    assert 'HINT: pip install "pydicom>=3,<4"' in done.stderr
    assert not (tmp_path / "new").exists()
