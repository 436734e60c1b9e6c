# SPDX-License-Identifier: Apache-2.0
"""Stored values to grey, against the formulas of DICOM PS3.3 worked out value by value."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import to_uint8
from zoo.errors import DataError

pydicom = pytest.importorskip("pydicom")

from zoo_lung_xray.dicom import read_dicom, read_facts  # noqa: E402

DicomBytes = Callable[..., bytes]
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
RAMP = np.arange(0, 4096, 13, dtype=np.uint16)[:300].reshape(15, 20)


def read(data: bytes) -> np.ndarray:
    return read_dicom(data, "x.dcm")[0]


def windowed(value: float, centre: float, width: float, function: str) -> float:
    """PS3.3, C.11.2.1.2 and C.11.2.1.3, with an output from 0 to 1."""
    if function == "SIGMOID":
        return 0.5 + 0.5 * math.tanh(2 * (value - centre) / width)  # 1 / (1 + exp(-4 ...))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if value <= centre - width / 2:
        return 0.0
    if value > centre + width / 2:
        return 1.0
    return (value - centre) / width + 0.5


def make_table(entries: list[int], first: int, bits: int) -> list[Any]:
    """Return a VOI or modality table as pydicom takes it."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("ModalityLUTType", "LO", "US")
    item.add_new("LUTData", "US", entries)
    return [item]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**16),
    st.sampled_from(FUNCTIONS),
    st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    st.booleans(),
    st.sampled_from([-2.0, 0.25, 1.0, 3.5]),
    st.integers(-1000, 1000),
    st.integers(-500, 5000),
    st.integers(1, 4000),
)
def test_grey_of_any_window_equals_the_standards_formula(
    dicom_bytes: DicomBytes,
    seed: int,
    function: str,
    photometric: str,
    is_signed: bool,
    slope: float,
    intercept: int,
    centre: int,
    width: int,
) -> None:
    """Rescale, window of each function, MONOCHROME1: within rounding of 0..255."""
    low, high = (-2048, 2048) if is_signed else (0, 4096)
    kind = np.int16 if is_signed else np.uint16
    stored = np.random.default_rng(seed).integers(low, high, (4, 6)).astype(kind)

    actual = read(
        dicom_bytes(
            stored,
            PhotometricInterpretation=photometric,
            RescaleSlope=slope,
            RescaleIntercept=intercept,
            WindowCenter=[centre, 1],
            WindowWidth=[width, 7],
            VOILUTFunction=function,
        )
    )

    for value, grey in zip(stored.ravel().tolist(), actual.ravel().tolist(), strict=True):
        share = windowed(value * slope + intercept, centre, width, function)
        share = 1 - share if photometric == "MONOCHROME1" else share
        assert abs(grey - 255 * share) <= 0.5 + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 1500),
    st.integers(-300, 300),
    st.sampled_from([8, 10, 12, 16]),
    st.integers(0, 2**16),
)
def test_grey_of_any_voi_table_equals_looking_it_up(
    dicom_bytes: DicomBytes, count: int, first: int, bits: int, seed: int
) -> None:
    """Below and beyond the table its ends count; tables of 8 bits may have over 256 places."""
    rng = np.random.default_rng(seed)
    entries = np.sort(rng.integers(0, 2**bits, count))
    entries[-1] = entries[0] + 1 + rng.integers(0, 2**bits - 1 - entries[0]) % 2**bits
    entries = np.sort(np.clip(entries, 0, 2**bits - 1))
    stored = rng.integers(-2000, 2000, (5, 4)).astype(np.int16)

    data = dicom_bytes(
        stored,
        VOILUTSequence=make_table(entries.tolist(), first, bits),
        WindowCenter=3,
        WindowWidth=2,
    )

    found = entries[np.clip(stored.astype(int) - first, 0, count - 1)]
    span = max(entries.max() - entries.min(), 1)
    expected = 255 * (found - entries.min()) / span
    assert np.abs(read(data) - expected).max() <= 0.5 + 1e-6
    assert read_facts(data, "").rule == "DICOM of 12 bits made 8 bits by its VOI table"


def test_grey_of_modality_table_is_looked_up_before_the_window(dicom_bytes: DicomBytes) -> None:
    """Values 0, 1, 2 are 10, 30, 20 after the table; the window is 10 to 30."""
    stored = np.array([[0, 1, 2, 3]], np.uint16)

    actual = read(
        dicom_bytes(
            stored,
            ModalityLUTSequence=make_table([10, 30, 20], 0, 16),
            WindowCenter=20,
            WindowWidth=20,
            VOILUTFunction="LINEAR_EXACT",
        )
    )

    np.testing.assert_array_equal(actual, [[0, 255, 128, 128]])


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_grey_without_window_is_stretched_as_16_bit_pictures_are(
    dicom_bytes: DicomBytes, kind: type
) -> None:
    """Equal to ``to_uint8`` of the values; a rescale changes roundings of ties at most."""
    values = np.random.default_rng(3).normal(2000, 200, (40, 50)).astype(np.int64)
    stored = (values - 2048 if kind is np.int16 else values).astype(kind)

    plain = read(dicom_bytes(stored))
    scaled = read(dicom_bytes(stored, RescaleSlope=7, RescaleIntercept=-1024))
    flipped = read(dicom_bytes(stored, RescaleSlope=-1, RescaleIntercept=0))

    np.testing.assert_array_equal(plain, to_uint8(values.astype(np.uint16)))
    np.testing.assert_allclose(scaled, plain, atol=1)
    np.testing.assert_array_equal(flipped, to_uint8((values.max() - values).astype(np.uint16)))


def test_grey_of_fractional_slope_is_stretched_over_all_levels(dicom_bytes: DicomBytes) -> None:
    """Values from 0 to 4 in steps of 1/1000 are not rounded to five levels."""
    actual = read(dicom_bytes(RAMP, RescaleSlope=0.001, RescaleIntercept=0))

    np.testing.assert_allclose(actual, read(dicom_bytes(RAMP)), atol=1)
    assert len(np.unique(actual)) > 200


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("count", [300, 301])
def test_grey_of_voi_table_in_bytes_equals_that_in_numbers(
    dicom_bytes: DicomBytes, bits: int, count: int
) -> None:
    """LUT Data is OW as often as US; entries of 8 bits then stand in 8 bits each."""
    stored = np.arange(count - 1, dtype=np.uint16).reshape(1, -1)
    entries = np.random.default_rng(0).integers(0, 2**bits, count)
    numbers, packed = (make_table(entries.tolist(), 0, bits) for _ in range(2))
    data = entries.astype(f"<u{bits // 8}").tobytes()
    packed[0]["LUTData"] = pydicom.DataElement("LUTData", "OW", data + bytes(len(data) % 2))

    found = read(dicom_bytes(stored, VOILUTSequence=packed))

    assert np.array_equal(found, read(dicom_bytes(stored, VOILUTSequence=numbers)))


@pytest.mark.parametrize(
    ("slope", "intercept", "kept"),
    [("", "", True), ("1", "", True), ("", "0", True), ("", "-10", False), ("2", "", False)],
)
def test_grey_when_rescale_is_empty_is_as_if_it_changed_nothing(
    dicom_bytes: DicomBytes, slope: str, intercept: str, kept: bool
) -> None:
    stored = np.array([[0, 100, 200]], np.uint8)
    data = dicom_bytes(stored, bits=8, RescaleSlope=slope, RescaleIntercept=intercept)

    assert np.array_equal(
        read(data),
        stored
        if kept
        else read(
            dicom_bytes(
                stored, bits=8, RescaleSlope=slope or "1", RescaleIntercept=intercept or "0"
            )
        ),
    )
    assert ("keeping them" in read_facts(data, "x.dcm").rule) is kept


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_grey_of_8_bits_stays(dicom_bytes: DicomBytes, photometric: str) -> None:
    """But for MONOCHROME1, which is turned."""
    stored = np.random.default_rng(1).integers(5, 250, (5, 7), np.uint8)

    data = dicom_bytes(stored, bits=8, PhotometricInterpretation=photometric)

    is_turned = photometric == "MONOCHROME1"
    np.testing.assert_array_equal(read(data), 255 - stored if is_turned else stored)
    assert read_facts(data, "").rule == "DICOM of 8 bits made 8 bits by keeping them" + (
        ", MONOCHROME1 inverted" if is_turned else ""
    )


def test_grey_of_constant_image_without_window_is_black(dicom_bytes: DicomBytes) -> None:
    np.testing.assert_array_equal(read(dicom_bytes(np.full((3, 4), 900, np.uint16))), 0)


def test_grey_equals_pydicoms_own_way_on_its_test_file() -> None:
    """Another library's pipeline, over the file's whole range of values."""
    from pydicom.data import get_testdata_file
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    path = get_testdata_file("693_J2KI.dcm", download=False)
    dataset = pydicom.dcmread(path)
    shown = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)

    with open(path, "rb") as file:
        actual = read(file.read())

    # The window lies within the image's range, so both of its ends are there.
    expected = 255 * (shown - shown.min()) / (shown.max() - shown.min())
    assert np.abs(actual - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("elements", "says"),
    [
        ({"WindowCenter": 5, "WindowWidth": 0}, "Window Width must be greater than"),
        ({"WindowCenter": 5, "WindowWidth": 9, "VOILUTFunction": "CUBIC"}, "'CUBIC'"),
    ],
)
def test_grey_of_impossible_window_is_refused(
    dicom_bytes: DicomBytes, elements: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        read(dicom_bytes(RAMP, **elements))
