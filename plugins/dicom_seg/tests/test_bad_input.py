# SPDX-License-Identifier: Apache-2.0
"""What cannot be written is named, does not stop the rest, and leaves nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from zoo_dicom_seg.coding import read_codes  # noqa: E402 (after the skips)
from zoo_dicom_seg.writing import write_dicom  # noqa: E402

from zoo.errors import DataError  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:pydicom", "ignore::UserWarning:highdicom"
)
Make = Callable[..., Path]
SHAPE = (6, 9)
LABELS = np.arange(54, dtype=np.uint8).reshape(SHAPE) % 3


@pytest.fixture
def results(tmp_path: Path, scan: Make, batch: Make) -> Path:
    """Write predictions of one drawn radiograph."""
    return batch(tmp_path / "found", [scan(tmp_path / "x.dcm", SHAPE)], [LABELS])


def _edit(results: Path, **keys: Any) -> None:
    path = results / "predictions.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_class_without_codes_is_refused_and_a_file_adds_it(tmp_path: Path, results: Path) -> None:
    """The hint has the form of the file; a name is found in any case, with other separators."""
    _edit(results, classes=["Background", "Left_Lung", "heart"])

    with pytest.raises(DataError, match="segments of the class 'Left_Lung'") as refused:
        write_dicom(results, tmp_path / "out")
    assert "give it with --codes: [lung], category = [" in str(refused.value)
    codes = tmp_path / "codes.toml"
    codes.write_text(
        '["left lung"]\ncategory = ["91723000", "SCT", "Anatomical Structure"]\n'
        'type = ["44029006", "SCT", "Left lung"]\n'
    )
    write_dicom(results, tmp_path / "out", codes=codes)

    found = pydicom.dcmread(tmp_path / "out" / "x_0.seg.dcm").SegmentSequence
    words = [
        (item.SegmentLabel, item.SegmentedPropertyTypeCodeSequence[0].CodeValue) for item in found
    ]
    assert words == [("Left_Lung", "44029006"), ("heart", "80891009")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lung = 1", "expected a table of category and type"),
        ('[lung]\ntype = ["1", "SCT", "x"]', "expected a table of category and type"),
        ('[lung]\ncategory = ["1", "SCT"]\ntype = ["1", "SCT", "x"]', "value, scheme and meaning"),
        (f'[lung]\ncategory = ["{"1" * 17}", "SCT", "x"]\ntype = ["1", "S", "x"]', "at most 16"),
        (r"[lung]" "\n" r'category = ["1\\2", "SCT", "x"]' "\n" 'type = ["1", "S", "x"]', "1"),
        ("[lung", "cannot read the codes"),
    ],
)
def test_file_of_codes_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "codes.toml").write_text(text)

    with pytest.raises(DataError) as refused:
        read_codes(tmp_path / "codes.toml")

    assert said in str(refused.value)


def test_one_bad_image_does_not_stop_the_others(
    tmp_path: Path, scan: Make, batch: Make, run_zoo: Callable[..., Any]
) -> None:
    """The command names each with its reason, writes the rest, and exits 1."""
    png = tmp_path / "plain.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n")
    frames = scan(tmp_path / "frames.dcm", SHAPE, NumberOfFrames=2)
    nowhere = scan(tmp_path / "nowhere.dcm", SHAPE, StudyInstanceUID=None)
    other = scan(tmp_path / "other.dcm", (9, 6))
    good = scan(tmp_path / "good.dcm", SHAPE)
    files = [png, frames, nowhere, other, tmp_path / "gone.dcm", good]
    batch(tmp_path / "found", files, [LABELS] * len(files))

    done = run_zoo("dicom", "found", "--out", "out", plugins="dicom_seg")

    assert done.returncode == 1
    for said in (
        "cannot refer to 'plain.png': found no DICOM file.",
        "cannot refer to 'frames.dcm': found 2 frames, expected one.",
        "cannot refer to 'nowhere.dcm': it has no StudyInstanceUID, or none that DICOM allows.",
        "cannot refer to 'other.dcm': it has 6x9 px, expected the 9x6 px of the prediction.",
        "gone.dcm",
    ):
        assert said in done.stderr
    assert "HINT: give DICOM files to `zoo predict`" in done.stderr.splitlines()[2]
    assert "Not a medical device: not for diagnosis." in done.stderr
    assert "wrote 2 files: out" in done.stdout
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["good_5.overlay.dcm", "good_5.seg.dcm"]


def test_relative_names_begin_at_the_root_and_overlays_can_be_left_out(
    tmp_path: Path, scan: Make, batch: Make
) -> None:
    image = scan(tmp_path / "scans" / "x.dcm", SHAPE)
    results = batch(tmp_path / "found", [image], [LABELS])
    content = json.loads((results / "predictions.json").read_text())
    content["images"][0]["file"] = "scans/x.dcm"
    _edit(results, images=content["images"])

    done = write_dicom(results, tmp_path / "out", root=tmp_path, overlays=False)

    assert done.files == ("x_0.seg.dcm",)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"schema": "zoo.prediction/2"}, "'zoo.prediction/2'"),
        ({"model": {}}, "cannot read the predictions"),
        ({"palette": []}, "cannot read the predictions"),
        ({"images": []}, "the predictions hold no image"),
        ({"images": [{"file": "x"}]}, "cannot read the predictions"),
    ],
)
def test_document_of_another_form_is_refused(
    tmp_path: Path, results: Path, keys: dict[str, Any], said: str
) -> None:
    _edit(results, **keys)

    with pytest.raises(DataError) as refused:
        write_dicom(results, tmp_path / "out")

    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("label", "../x_0_label.png", "cannot read the predictions"),
        ("label", None, "there is no label map of it"),
        ("label", "gone.png", "gone.png"),
        ("label", "x_0_overlay.png", "expected 9x6 px of ids below 3"),
    ],
)
def test_label_map_that_is_none_is_refused(
    tmp_path: Path, results: Path, key: str, value: str | None, said: str
) -> None:
    content = json.loads((results / "predictions.json").read_text())
    content["images"][0][key] = value
    _edit(results, images=content["images"])

    with pytest.raises(DataError) as refused:
        write_dicom(results, tmp_path / "out")

    assert said in str(refused.value)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_header_is_one_message(tmp_path: Path, results: Path, seed: int) -> None:
    """Bytes of the header overwritten: refused by name, or written if it can still be read."""
    path = tmp_path / "x.dcm"
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    start = int(rng.integers(132, len(data) - LABELS.size - 16))
    data[start : start + 12] = rng.bytes(12)
    path.write_bytes(data)

    said = ["'x.dcm'"]
    try:
        write_dicom(results, tmp_path / "out")
    except DataError as error:
        said.append(str(error))

    assert said[0] in said[-1]


def test_output_with_files_in_it_is_left_alone(tmp_path: Path, results: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(DataError, match="a folder that holds files"):
        write_dicom(results, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
