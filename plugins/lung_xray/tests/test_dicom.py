# SPDX-License-Identifier: Apache-2.0
"""DICOM files: their facts, refusals, and one error for any damage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import DataError

pydicom = pytest.importorskip("pydicom")

from zoo_lung_xray.dicom import is_candidate, is_dicom, read_dicom, read_facts  # noqa: E402

# It warns of much that is an error here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
DicomBytes = Callable[..., bytes]
PIXELS = np.random.default_rng(0).integers(0, 4096, (24, 20)).astype(np.uint16)


def own_file(name: str) -> bytes:
    """Return one of the files that pydicom tests itself with; they lie in its wheel."""
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    return path.read_bytes()


@pytest.mark.parametrize(
    ("elements", "spacing", "source"),
    [
        ({}, None, None),
        ({"PixelSpacing": [0.5, 0.25]}, (0.5, 0.25), "PixelSpacing"),
        ({"ImagerPixelSpacing": [0.139, 0.14]}, (0.139, 0.14), "ImagerPixelSpacing"),
        (
            {"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.6, 0.3]},
            (0.5, 0.25),
            "PixelSpacing",
        ),
        ({"PixelSpacing": [0, 1], "ImagerPixelSpacing": [2, 3]}, (2, 3), "ImagerPixelSpacing"),
        ({"PixelSpacing": None}, None, None),
        ({"PixelSpacing": [-1, 1]}, None, None),
        ({"PixelSpacing": ""}, None, None),
    ],
)
def test_spacing_is_the_patients_else_the_detectors_else_none(
    dicom_bytes: DicomBytes, elements: dict[str, Any], spacing: Any, source: str | None
) -> None:
    """Row first, as in the file; what is not two lengths counts as absent."""
    given_elements = {key: value for key, value in elements.items() if value is not None}

    facts = read_facts(dicom_bytes(PIXELS, **given_elements), "x.dcm")

    assert (facts.spacing_mm, facts.spacing_from) == (spacing, source)
    assert facts.bits_per_sample == 12


def test_patient_is_equal_for_one_id_and_hides_it(dicom_bytes: DicomBytes) -> None:
    """Five hexadecimal digits, the same for the same ID; none without an ID."""
    ids = ["SECRET-1", "SECRET-1 ", "SECRET-2", ""]
    patients = [read_facts(dicom_bytes(PIXELS, PatientID=name), "").patient for name in ids]

    assert patients[0] == patients[1] != patients[2]
    assert patients[3] == ""
    assert all(len(patient) == len("patient-") + 5 for patient in patients[:3])


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_pixels_of_pydicoms_file_in_other_syntaxes_equal_the_plain_one(name: str) -> None:
    """RLE, big endian, implicit VR and, with its decoder, JPEG-LS: one picture."""
    if "jpeg_ls" in name:
        pytest.importorskip("jpeg_ls")
    expected, facts = read_dicom(own_file("MR_small.dcm"), "MR_small.dcm")

    actual, others = read_dicom(own_file(name), name)

    np.testing.assert_array_equal(actual, expected)
    assert facts == others
    assert facts.spacing_mm == (0.3125, 0.3125)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"], ids=["RLE", "JPEG 2000"]
)
def test_pixels_of_losslessly_compressed_file_equal_the_plain_ones(
    dicom_bytes: DicomBytes, syntax: str
) -> None:
    if syntax.endswith(".90"):
        pytest.importorskip("openjpeg")
    pixels = np.tile(PIXELS, (3, 4))  # JPEG 2000 requires at least 32 px
    expected, _ = read_dicom(dicom_bytes(pixels), "x.dcm")

    actual, _ = read_dicom(dicom_bytes(pixels, syntax=syntax), "x.dcm")

    np.testing.assert_array_equal(actual, expected)


REFUSED = {
    "several frames": ("rtdose.dcm", "found a DICOM file of 15 frames, expected one"),
    "frames of colour": ("SC_rgb_rle_2frame.dcm", "found a DICOM file of 2 frames"),
    "colour": ("SC_rgb_rle.dcm", "found colours as RGB, expected grey"),
    "palette": ("examples_palette.dcm", "found colours as PALETTE COLOR"),
    "a report": ("reportsi.dcm", "found a DICOM file with no pixels (Basic Text SR Storage)"),
    "a plan": ("rtplan.dcm", "with no pixels (RT Plan Storage), expected an image"),
    "a segment": ("liver_1frame.dcm", "found samples of 1 bits, expected 8 or 16"),
    "a dose": ("rtdose_1frame.dcm", "found samples of 32 bits"),
    "cut pixels": ("MR_truncated.dcm", "found a damaged DICOM file of 9630 bytes"),
    "no mark": ("no_meta.dcm", "found no mark 'DICM' behind the first 128 bytes"),
    "a value that is none": ("badVR.dcm", "found a damaged DICOM file of"),
    "12-bit JPEG": ("JPEG-lossy.dcm", "'JPEG Extended (Process 2 and 4)', which no installed"),
}


@pytest.mark.parametrize(("name", "says"), REFUSED.values(), ids=REFUSED)
def test_pydicoms_file_that_is_no_single_grey_image_is_refused(name: str, says: str) -> None:
    """The file is named, what was found is said, and there is one thing to do."""
    with pytest.raises(DataError) as caught:
        read_dicom(own_file(name), f"some/{name}")

    assert caught.value.message.startswith(f"cannot read {name!r}: found ")
    assert says in caught.value.message
    assert caught.value.where == f"some/{name}"
    assert caught.value.hint


def test_float_pixels_are_refused(dicom_bytes: DicomBytes) -> None:
    data = dicom_bytes(PIXELS, PixelData=None, FloatPixelData=b"\0" * 4 * PIXELS.size)

    with pytest.raises(DataError, match="with floating-point pixels"):
        read_dicom(data, "x.dcm")


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.999), st.booleans())
def test_file_cut_anywhere_is_refused(
    dicom_bytes: DicomBytes, share: float, is_compressed: bool
) -> None:
    """One DataError, whatever is missing."""
    syntax = "1.2.840.10008.1.2.5" if is_compressed else None
    data = dicom_bytes(PIXELS, PixelSpacing=[1, 1], syntax=syntax)
    # The last bytes of RLE close the sequence, and hold no pixels.
    kept = int(share * (len(data) - 8))

    with pytest.raises(DataError):
        read_dicom(data[:kept], "x.dcm")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 12))
def test_file_with_random_bytes_is_read_or_refused(
    dicom_bytes: DicomBytes, seed: int, count: int
) -> None:
    """Nothing but a DataError comes of damage to the header."""
    rng = np.random.default_rng(seed)
    data = bytearray(dicom_bytes(PIXELS, WindowCenter=9, WindowWidth=4, PixelSpacing=[1, 1]))
    header = len(data) - PIXELS.nbytes
    for place in rng.integers(132, header, count):
        data[place] = rng.integers(0, 256)

    try:
        pixels, facts = read_dicom(bytes(data), "x.dcm")
    except DataError:
        return
    assert pixels.dtype == np.uint8
    assert facts.spacing_mm is None or min(facts.spacing_mm) > 0


def test_header_holds_nothing_that_says_who_the_patient_is(dicom_bytes: DicomBytes) -> None:
    """Neither facts nor any message quote a name or an ID, also of a file that is refused."""
    data = dicom_bytes(PIXELS, ReferringPhysicianName="SECRET^DOCTOR")

    facts = read_facts(data, "x.dcm")
    with pytest.raises(DataError) as caught:
        read_dicom(data[:-9], "x.dcm")

    assert "SECRET" not in repr(facts)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "marked", "expected"),
    [
        ("x.dcm", False, True),
        ("x.DICOM", False, True),
        ("IM0001", True, True),
        ("IM0001", False, False),
        ("1.2.840.113", True, True),
        ("x.IMA", True, True),
        ("x.png", True, False),
        ("notes.txt", True, False),
        ("DICOMDIR", True, False),
    ],
)
def test_file_is_dicom_by_suffix_or_by_its_mark(name: str, marked: bool, expected: bool) -> None:
    """A file with a suffix of another kind is never one; nor is the index of a medium."""
    head = bytes(128) + (b"DICM" if marked else b"none")

    assert is_dicom(name, head) is expected
    assert not (is_candidate(name) and name.endswith((".png", ".txt")))
