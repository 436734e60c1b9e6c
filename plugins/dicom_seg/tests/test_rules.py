# SPDX-License-Identifier: Apache-2.0
"""What is written against the standard's own tables, and nothing of the source beyond them.

The tables are typed from DICOM PS3.3 2024: A.51 and A.8.1 say which modules an object has, the
chapters beside the elements which of them must be there (1: with a value, 2: maybe empty).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from pydicom.sr.codedict import codes  # noqa: E402 (after the skips)
from zoo_dicom_seg.coding import read_codes  # noqa: E402
from zoo_dicom_seg.writing import write_dicom  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:pydicom", "ignore::UserWarning:highdicom"
)
Make = Callable[..., Path]

# C.7.1.1, C.7.2.1, C.7.3.1, C.12.1
_COMMON = {
    "PatientName": 2,
    "PatientID": 2,
    "PatientBirthDate": 2,
    "PatientSex": 2,
    "StudyInstanceUID": 1,
    "StudyDate": 2,
    "StudyTime": 2,
    "ReferringPhysicianName": 2,
    "StudyID": 2,
    "AccessionNumber": 2,
    "Modality": 1,
    "SeriesInstanceUID": 1,
    "SeriesNumber": 1,
    "SOPClassUID": 1,
    "SOPInstanceUID": 1,
    "SpecificCharacterSet": 1,
    # C.7.6.1 and C.7.6.3
    "InstanceNumber": 1,
    "PatientOrientation": 2,
    "ImageType": 1,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": 1,
    "Rows": 1,
    "Columns": 1,
    "BitsAllocated": 1,
    "BitsStored": 1,
    "HighBit": 1,
    "PixelRepresentation": 1,
    "PixelData": 1,
}
_SEGMENTATION = {
    **_COMMON,
    # C.7.5.2
    "Manufacturer": 1,
    "ManufacturerModelName": 1,
    "DeviceSerialNumber": 1,
    "SoftwareVersions": 1,
    # C.8.20.2 with the macro of 10.9
    "ContentLabel": 1,
    "ContentDescription": 2,
    "ContentCreatorName": 2,
    "LossyImageCompression": 1,
    "SegmentationType": 1,
    "SegmentsOverlap": 3,
    "SegmentSequence": 1,
    # C.7.6.16, C.7.6.17, C.12.2
    "SharedFunctionalGroupsSequence": 1,
    "PerFrameFunctionalGroupsSequence": 1,
    "ContentDate": 1,
    "ContentTime": 1,
    "NumberOfFrames": 1,
    "DimensionOrganizationSequence": 1,
    "DimensionIndexSequence": 1,
    "ReferencedSeriesSequence": 1,
    # Optional: what viewers list, and what highdicom says of itself and of the source.
    "SeriesDescription": 3,
    "SourceImageSequence": 3,
    "InstanceCreationDate": 3,
    "InstanceCreationTime": 3,
    "ContributingEquipmentSequence": 3,
    "PresentationLUTShape": 3,
}
# Conditional on the source, or on the type.
_CONDITIONAL = {
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "BurnedInAnnotation",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
}
_CAPTURE = {
    **_COMMON,
    # C.8.6.1, C.7.6.3 for colour
    "ConversionType": 1,
    "PlanarConfiguration": 1,
    "SeriesDescription": 3,
    "Manufacturer": 3,
    "ManufacturerModelName": 3,
    "SoftwareVersions": 3,
    "DerivationDescription": 3,
    "SourceImageSequence": 3,
}
# C.8.20.4 and 10.16
_SEGMENT = {
    "SegmentNumber": 1,
    "SegmentLabel": 1,
    "SegmentDescription": 3,
    "SegmentAlgorithmType": 1,
    "SegmentAlgorithmName": 1,
    "SegmentationAlgorithmIdentificationSequence": 3,
    "RecommendedDisplayCIELabValue": 3,
    "SegmentedPropertyCategoryCodeSequence": 1,
    "SegmentedPropertyTypeCodeSequence": 1,
}
_ALGORITHM = {
    "AlgorithmFamilyCodeSequence": 1,
    "AlgorithmName": 1,
    "AlgorithmVersion": 1,
    "AlgorithmParameters": 3,
    "AlgorithmSource": 3,
}
_CODE = {"CodeValue": 1, "CodingSchemeDesignator": 1, "CodeMeaning": 1}


def _check(found: Any, table: dict[str, int], conditional: frozenset[str] = frozenset()) -> None:
    names = {element.keyword for element in found}
    missing = [name for name, kind in table.items() if kind < 3 and name not in names]
    empty = [name for name, kind in table.items() if kind == 1 and found.get(name) in (None, "")]
    assert (missing, empty, names - {*table} - conditional) == ([], [], set())


def _walk(found: Any) -> Iterator[Any]:
    for element in found:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from _walk(item)


@pytest.fixture
def written(tmp_path: Path, scan: Make, batch: Make) -> Callable[..., tuple[Any, Any, Any]]:
    """Write one image with elements of one's choice; returns source, segmentation and capture."""

    def write(kind: str = "binary", **elements: Any) -> tuple[Any, Any, Any]:
        labels = np.arange(35, dtype=np.uint8).reshape(5, 7) % 3
        image = scan(tmp_path / "x.dcm", (5, 7), **elements)
        write_dicom(batch(tmp_path / "found", [image], [labels]), tmp_path / "out", kind=kind)
        paths = [tmp_path / "out" / f"x_0.{name}.dcm" for name in ("seg", "overlay")]
        for path in paths:
            assert b"SECRET" not in path.read_bytes()
        return (pydicom.dcmread(image), *map(pydicom.dcmread, paths))

    return write


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_segmentation_has_what_its_modules_ask_for(
    written: Callable[..., tuple[Any, Any, Any]], kind: str
) -> None:
    source, found, _ = written(kind)

    extra = {"PixelPaddingValue"} if kind == "labelmap" else set()
    _check(found, _SEGMENTATION, frozenset(extra))
    assert found.Modality == "SEG"
    assert [*found.ImageType] == ["DERIVED", "PRIMARY"]
    assert (found.BitsAllocated, found.BitsStored, found.HighBit) == (
        (1, 1, 0) if kind == "binary" else (8, 8, 7)
    )
    assert (found.SamplesPerPixel, found.PixelRepresentation) == (1, 0)
    assert found.PhotometricInterpretation == "MONOCHROME2"
    assert found.NumberOfFrames == len(found.PerFrameFunctionalGroupsSequence)
    assert len(found.PixelData) % 2 == 0
    (series,) = found.ReferencedSeriesSequence
    (instance,) = series.ReferencedInstanceSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID != found.SeriesInstanceUID
    assert instance.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert instance.ReferencedSOPClassUID == source.SOPClassUID
    for frame in found.PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    segments = [item for item in found.SegmentSequence if item.SegmentNumber]
    assert [item.SegmentNumber for item in segments] == [1, 2]
    for item in segments:
        _check(item, _SEGMENT)
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        _check(item.SegmentedPropertyCategoryCodeSequence[0], _CODE)
        _check(item.SegmentedPropertyTypeCodeSequence[0], _CODE)
        (by,) = item.SegmentationAlgorithmIdentificationSequence
        _check(by, _ALGORITHM)
        assert by.AlgorithmName == item.SegmentAlgorithmName == "unet_drawn"
        assert by.AlgorithmVersion == "0123456789abcdef"
        assert "sha256=" + "0123456789abcdef" * 4 in by.AlgorithmParameters
        assert item.SegmentDescription == "Not a medical device: not for diagnosis."


def test_capture_has_what_its_modules_ask_for(
    written: Callable[..., tuple[Any, Any, Any]],
) -> None:
    source, segmentation, found = written()

    _check(found, _CAPTURE)
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (found.Modality, found.ConversionType) == ("OT", "WSD")
    assert (found.PhotometricInterpretation, found.SamplesPerPixel) == ("RGB", 3)
    (image,) = found.SourceImageSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert found.SeriesInstanceUID not in (source.SeriesInstanceUID, segmentation.SeriesInstanceUID)


def test_patient_and_study_are_those_of_the_source_and_nothing_else_is(
    written: Callable[..., tuple[Any, Any, Any]],
) -> None:
    """No private element, comment, institution or device; what makes it legible is UTF-8."""
    source, *made = written()

    for found in made:
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate"):
            assert str(found[name].value) == str(source[name].value), name
        for name in ("StudyInstanceUID", "AccessionNumber", "ReferringPhysicianName", "StudyTime"):
            assert str(found[name].value) == str(source[name].value), name
        assert found.SpecificCharacterSet == "ISO_IR 192"
        elements = [*_walk(found)]
        assert not [element for element in elements if element.tag.is_private]
        assert not [element for element in elements if "SECRET" in str(element.value)]


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田^太郎"}, "山田^太郎"),
        ({"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Люксембург"}, "Люксембург"),
        ({"PatientName": None, "PatientBirthDate": None, "StudyID": None}, ""),
        ({"PatientName": "no caret"}, "no caret"),
    ],
)
def test_names_of_any_script_come_back_and_absent_ones_are_empty(
    written: Callable[..., tuple[Any, Any, Any]], elements: dict[str, Any], name: str
) -> None:
    _, *made = written(**elements)

    for found in made:
        assert str(found.PatientName or "") == name
        assert "PatientBirthDate" in found
        assert "StudyID" in found


def test_what_was_done_to_identity_and_pixels_is_repeated(
    written: Callable[..., tuple[Any, Any, Any]],
) -> None:
    """And which way the patient faces."""
    method = pydicom.Dataset()
    method.CodeValue, method.CodingSchemeDesignator = "113100", "DCM"
    method.CodeMeaning = "Basic Application Confidentiality Profile"
    method.CodingSchemeVersion = "SECRET"
    given = {
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethodCodeSequence": [method],
        "BurnedInAnnotation": "YES",
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "10.5",
        "LossyImageCompressionMethod": "ISO_10918_1",
        "PatientOrientation": ["P", "F"],
    }

    _, segmentation, capture = written(**given)

    _check(segmentation, _SEGMENTATION, frozenset(_CONDITIONAL))
    _check(capture, _CAPTURE, frozenset({*_CONDITIONAL, "LossyImageCompression"}))
    for found in (segmentation, capture):
        for name in {*given} - {"DeidentificationMethodCodeSequence"}:
            assert str(found[name].value) == str(pydicom.DataElement(name, "LO", given[name]).value)
        _check(found.DeidentificationMethodCodeSequence[0], _CODE)


def test_images_of_one_series_make_one_series_of_each_kind(
    tmp_path: Path, scan: Make, batch: Make
) -> None:
    """Two images of a series, and one of another study."""
    labels = np.ones((3, 4), np.uint8)
    images = [scan(tmp_path / f"{name}.dcm", (3, 4)) for name in "ab"]
    images += [scan(tmp_path / "c.dcm", (3, 4), StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1")]

    write_dicom(batch(tmp_path / "found", images, [labels] * 3), tmp_path / "out")

    found = {path.name: pydicom.dcmread(path) for path in (tmp_path / "out").iterdir()}
    first, second, other = (found[f"{name}.seg.dcm"] for name in ("a_0", "b_1", "c_2"))
    assert first.SeriesInstanceUID == second.SeriesInstanceUID != other.SeriesInstanceUID
    assert [each.InstanceNumber for each in (first, second, other)] == [1, 2, 1]
    assert other.StudyInstanceUID == "1.9"
    assert len({each.SOPInstanceUID for each in found.values()}) == 6
    assert len({each.SeriesInstanceUID for each in found.values()}) == 4


def test_shipped_codes_are_those_of_the_standard() -> None:
    """By pydicom's own copy of the standard's code tables."""
    known = {
        (code.value, code.scheme_designator, code.meaning)
        for name in dir(codes.SCT)
        if isinstance(code := getattr(codes.SCT, name, None), type(codes.SCT.Lung))
    }
    categories = {code.value for code in codes.cid7150.concepts.values()}

    for name, coding in read_codes().items():
        words = (coding.type.value, coding.type.scheme, coding.type.meaning)
        assert words in known, name
        assert coding.category.value in categories, name
