# SPDX-License-Identifier: Apache-2.0
"""Masks read back by pydicom and by highdicom: those of the prediction, pixel by pixel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as tools

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

from zoo_dicom_seg.writing import write_dicom  # noqa: E402 (after the skips)

from zoo.errors import DataError  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:pydicom", "ignore::UserWarning:highdicom"
)
Make = Callable[..., Path]
CR, DX_PROCESSING = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"
TILTED = {
    "FrameOfReferenceUID": "1.2.3.9",
    "ImagePositionPatient": [1.0, 2.0, 3.0],
    "ImageOrientationPatient": [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
    "PixelSpacing": [0.5, 0.4],
    "SliceThickness": 2.0,
}


def _segments(path: Path, shape: tuple[int, int], count: int) -> np.ndarray[Any, Any]:
    """Return (K, H, W) bool as pydicom decodes it; of one frame, the numbers are taken apart."""
    found = pydicom.dcmread(path)
    pixels = np.reshape(found.pixel_array, (-1, *shape))
    if found.SegmentationType == "LABELMAP":
        return np.stack([pixels[0] == number for number in range(1, count + 1)])
    numbers = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in found.PerFrameFunctionalGroupsSequence
    ]
    assert numbers == [*range(1, count + 1)]
    return pixels.astype(bool)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(8, 30)),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["binary", "labelmap"]),
    elements=st.sampled_from(
        [
            {},
            {"PhotometricInterpretation": "MONOCHROME1"},
            {"SOPClassUID": CR, "Modality": "CR", "PatientOrientation": ["P", "F"]},
            {"SOPClassUID": DX_PROCESSING, "FrameOfReferenceUID": "1.2.3.9"},
            TILTED,
        ]
    ),
)
@example(shape=(2, 4), seed=0, kind="binary", elements={})
@example(shape=(7, 3), seed=1, kind="binary", elements=TILTED)
def test_masks_come_back_pixel_by_pixel(
    shape: tuple[int, int],
    seed: int,
    kind: str,
    elements: dict[str, Any],
    scan: Make,
    batch: Make,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of any size, also where bits of a row end within a byte, inverted, turned or placed."""
    folder = tmp_path_factory.mktemp("seg")
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, rng.integers(1, 4), shape).astype(np.uint8)
    image = scan(folder / "x.dcm", shape, **elements)
    results = batch(folder / "found", [image], [labels])

    written = write_dicom(results, folder / "out", kind=kind)

    assert written.files == ("x_0.seg.dcm", "x_0.overlay.dcm")
    wanted = np.stack([labels == 1, labels == 2])
    path = folder / "out" / "x_0.seg.dcm"
    np.testing.assert_array_equal(_segments(path, shape, 2), wanted)
    read = highdicom.seg.segread(path)
    assert [read.get_segment_description(number).segment_label for number in (1, 2)] == [
        "lung",
        "heart",
    ]
    (combined,) = read.get_pixels_by_source_instance(
        source_sop_instance_uids=[pydicom.dcmread(image).SOPInstanceUID],
        segment_numbers=[1, 2],
        combine_segments=True,
    )
    np.testing.assert_array_equal(combined, labels)
    capture = pydicom.dcmread(folder / "out" / "x_0.overlay.dcm")
    overlay = cv2.imread(str(results / "x_0_overlay.png"))
    assert overlay is not None
    np.testing.assert_array_equal(np.reshape(capture.pixel_array, (*shape, 3)), overlay[..., ::-1])


def _own_file(name: str) -> Path:
    """Return one of the files that pydicom tests itself with; they lie in its wheel."""
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    if not path.is_file():
        pytest.skip(f"pydicom brings no {name}")
    return path


@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "CT_small.dcm", "JPEG2000.dcm", "examples_palette.dcm"]
)
def test_files_of_scanners_get_their_masks(tmp_path: Path, batch: Make, name: str) -> None:
    """Placed slices in two byte orders, a compressed capture and an ultrasound of colours."""
    image = _own_file(name)
    source = pydicom.dcmread(image, stop_before_pixels=True)
    shape = (source.Rows, source.Columns)
    labels = np.random.default_rng(0).integers(0, 3, shape, np.uint8)

    done = write_dicom(batch(tmp_path / "found", [image], [labels]), tmp_path / "out")

    path = tmp_path / "out" / done.files[0]
    wanted = np.stack([labels == 1, labels == 2])
    np.testing.assert_array_equal(_segments(path, shape, 2), wanted)
    found = highdicom.seg.segread(path)
    assert found.PatientID == source.PatientID
    assert ("FrameOfReferenceUID" in found) == (source.Modality in ("MR", "CT"))


@pytest.mark.parametrize("thickness", [2.0, None])
def test_place_states_what_the_image_states_and_no_more(
    tmp_path: Path, scan: Make, batch: Make, thickness: float | None
) -> None:
    """An empty thickness is allowed (PS3.3, C.7.6.2); a distance of slices is never made up."""
    file = scan(tmp_path / "a.dcm", (9, 12), **(TILTED | {"SliceThickness": thickness or ""}))
    found = batch(tmp_path / "found", [file], [np.ones((9, 12), np.uint8)])

    write_dicom(found, tmp_path / "out")

    made = pydicom.dcmread(next((tmp_path / "out").glob("*.seg.dcm")))
    shared = made.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    assert made.FrameOfReferenceUID == TILTED["FrameOfReferenceUID"]
    assert list(measures.PixelSpacing) == TILTED["PixelSpacing"]
    assert measures.get("SliceThickness") == thickness
    assert "SpacingBetweenSlices" not in measures
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    assert list(orientation) == TILTED["ImageOrientationPatient"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("liver_1frame.dcm", "found an object made for several frames, expected one."),
        ("rtdose.dcm", "found 15 frames, expected one."),
        ("693_J2KI.dcm", "no Frame Of Reference UID, but it is required by the IOD."),
        ("reportsi.dcm", "it has no Rows, or none that DICOM allows."),
    ],
)
def test_files_that_no_mask_can_refer_to_are_refused(
    tmp_path: Path, batch: Make, name: str, said: str
) -> None:
    image = _own_file(name)
    header = pydicom.dcmread(image, stop_before_pixels=True)
    labels = np.zeros((header.get("Rows", 9), header.get("Columns", 9)), np.uint8)

    with pytest.raises(DataError) as refused:
        write_dicom(batch(tmp_path / "found", [image], [labels]), tmp_path / "out")

    assert said in str(refused.value)


def test_image_of_a_few_pixels_is_refused(tmp_path: Path, scan: Make, batch: Make) -> None:
    """The library that packs the bits would misplace them."""
    image = scan(tmp_path / "x.dcm", (7, 1))
    results = batch(tmp_path / "found", [image], [np.ones((7, 1), np.uint8)])

    with pytest.raises(DataError, match="found 1x7 px, expected at least 8 px"):
        write_dicom(results, tmp_path / "out")


def _instances(folder: Path, batch: Make, image: Path, masks: list[np.ndarray[Any, Any]]) -> Path:
    """Turn a batch of label maps into one of instances."""
    results = batch(folder / "found", [image], [np.zeros(masks[0].shape, np.uint8)])
    path = results / "predictions.json"
    content = json.loads(path.read_text())
    content |= {"task": "instance", "coco": "coco.json", "classes": ["nodule"]}
    content |= {"palette": [[230, 159, 0]]}
    del content["images"][0]["label"]
    path.write_text(json.dumps(content))
    rows = []
    for mask in masks:
        rle = tools.encode(np.asfortranarray(mask, np.uint8))
        rle = {"size": rle["size"], "counts": rle["counts"].decode()}
        rows.append({"image_id": 1, "category_id": 1, "segmentation": rle})
    (results / "coco.json").write_text(json.dumps({"annotations": rows}))
    return results


def test_instances_are_segments_that_may_overlap(tmp_path: Path, scan: Make, batch: Make) -> None:
    """One segment an object, best first, with the codes of its class."""
    masks = [np.zeros((9, 13), bool) for _ in range(3)]
    masks[0][2:7, 2:7] = masks[1][4:9, 4:13] = masks[2][0, 0] = True
    results = _instances(tmp_path, batch, scan(tmp_path / "x.dcm", (9, 13)), masks)

    write_dicom(results, tmp_path / "out")

    path = tmp_path / "out" / "x_0.seg.dcm"
    np.testing.assert_array_equal(_segments(path, (9, 13), 3), np.stack(masks))
    found = pydicom.dcmread(path)
    assert found.SegmentsOverlap == "YES"
    labels = [item.SegmentLabel for item in found.SegmentSequence]
    assert labels == ["nodule 1", "nodule 2", "nodule 3"]
    types = {item.SegmentedPropertyTypeCodeSequence[0].CodeValue for item in found.SegmentSequence}
    assert types == {"27925004"}


def test_instances_as_a_label_map_are_refused(tmp_path: Path, scan: Make, batch: Make) -> None:
    masks = [np.ones((4, 4), bool)]
    results = _instances(tmp_path, batch, scan(tmp_path / "x.dcm", (4, 4)), masks)

    with pytest.raises(DataError, match="cannot write instances as 'labelmap': they may overlap"):
        write_dicom(results, tmp_path / "out", kind="labelmap")


def test_image_in_which_nothing_was_found_is_left_out(
    tmp_path: Path, scan: Make, batch: Make
) -> None:
    masks = [np.ones((4, 4), bool)]
    results = _instances(tmp_path, batch, scan(tmp_path / "x.dcm", (4, 4)), masks)
    (results / "coco.json").write_text('{"annotations": []}')

    with pytest.raises(DataError, match="the model found nothing"):
        write_dicom(results, tmp_path / "out")

    assert not (tmp_path / "out").exists()
