# SPDX-License-Identifier: Apache-2.0
"""What devices write beside the standard: used where it is clear, else refused as what it is."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import DataError

pydicom = pytest.importorskip("pydicom")

from zoo_lung_xray.dicom import read_dicom, read_facts  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
DicomBytes = Callable[..., bytes]
RAMP = np.arange(24 * 20, dtype=np.uint16).reshape(24, 20) * 8
WINDOW = {"WindowCenter": 2000, "WindowWidth": 1000}
RESCALE = {"RescaleSlope": 2, "RescaleIntercept": -500}
# Words that Python has for faults of code, and no reader of DICOM for faults of files.
PYTHON = re.compile(
    r"NoneType|object|subscript|attribute|argument|unpack|invalid literal|could not convert"
    r"|<class|out of (range|bounds)|operand|iterable|int\(\)|codec|__|lambda|traceback",
    re.IGNORECASE,
)


def table(descriptor: Any = (4, 0, 16), entries: Any = (0, 100, 200, 300)) -> Any:
    """Return an item of a table; ``...`` leaves a part out."""
    item = pydicom.Dataset()
    item.add_new("LUTExplanation", "LO", "NORMAL")
    item.add_new("ModalityLUTType", "LO", "US")
    if descriptor is not ...:
        item.add_new("LUTDescriptor", "US", None if descriptor is None else list(descriptor))
    if entries is not ...:
        kind = "US" if isinstance(entries, tuple) else "OW"
        item.add_new("LUTData", kind, list(entries) if kind == "US" else entries)
    return item


EMPTY: dict[str, tuple[Any, Any]] = {
    "both empty": (None, None),
    "descriptor empty": (None, (1, 2, 3)),
    "descriptor missing": (..., (1, 2, 3)),
    "entries empty": ((3, 0, 16), None),
    "entries missing": ((3, 0, 16), ...),
    "entries of no bytes": ((3, 0, 16), b""),
    "both missing": (..., ...),
}


@pytest.mark.parametrize("beside", [WINDOW, {}], ids=["window", "none"])
@pytest.mark.parametrize("parts", EMPTY.values(), ids=EMPTY)
def test_voi_table_without_entries_counts_as_none(
    dicom_bytes: DicomBytes, parts: tuple[Any, Any], beside: dict[str, Any]
) -> None:
    """The valid window beside it is used, and the report says so."""
    data = dicom_bytes(RAMP, VOILUTSequence=[table(*parts)], **beside)

    grey, facts = read_dicom(data, "x.dcm")

    expected, plain = read_dicom(dicom_bytes(RAMP, **beside), "x.dcm")
    np.testing.assert_array_equal(grey, expected)
    assert facts.rule == f"{plain.rule}, its empty VOI table left out"
    assert read_facts(data, "x.dcm") == facts


@pytest.mark.parametrize("beside", [WINDOW, RESCALE, WINDOW | RESCALE, {}])
@pytest.mark.parametrize("parts", EMPTY.values(), ids=EMPTY)
def test_modality_table_without_entries_counts_as_none(
    dicom_bytes: DicomBytes, parts: tuple[Any, Any], beside: dict[str, Any]
) -> None:
    """Rescale and window beside it are used."""
    data = dicom_bytes(RAMP, ModalityLUTSequence=[table(*parts)], **beside)

    grey, facts = read_dicom(data, "x.dcm")

    expected, plain = read_dicom(dicom_bytes(RAMP, **beside), "x.dcm")
    np.testing.assert_array_equal(grey, expected)
    assert facts.rule == f"{plain.rule}, its empty modality table left out"


@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_second_table_counts_where_the_first_is_empty(
    dicom_bytes: DicomBytes, keyword: str
) -> None:
    items = [table(None, None), table((4, 100, 16), (0, 700, 80, 900))]

    grey, facts = read_dicom(dicom_bytes(RAMP, **{keyword: items}), "x.dcm")

    expected, plain = read_dicom(dicom_bytes(RAMP, **{keyword: items[1:]}), "x.dcm")
    np.testing.assert_array_equal(grey, expected)
    assert facts.rule == plain.rule


DAMAGED: dict[str, tuple[Any, Any, str]] = {
    "too few entries": ((9, 0, 16), (1, 2, 3), "of 3 entries, expected 9"),
    "too many entries": ((2, 0, 16), (1, 2, 3), "of 3 entries, expected 2"),
    "too few bytes": ((9, 0, 16), b"\1\0\2\0", "of 2 entries, expected 9"),
    "two numbers": ((9, 0), (1, 2, 3), "described by [9, 0], expected three whole numbers"),
    "one number": ((9,), (1, 2, 3), "described by [9], expected three whole numbers"),
    "bits": ((3, 0, 32), (1, 2, 3), "of 32 bits, expected 8 to 16"),
    "no bits": ((3, 0, 0), (1, 2, 3), "of 0 bits, expected 8 to 16"),
}


@pytest.mark.parametrize(
    ("keyword", "name"),
    [("VOILUTSequence", "VOI table"), ("ModalityLUTSequence", "modality table")],
)
@pytest.mark.parametrize(("descriptor", "entries", "says"), DAMAGED.values(), ids=DAMAGED)
def test_table_that_is_not_what_it_states_is_refused(
    dicom_bytes: DicomBytes, descriptor: Any, entries: Any, says: str, keyword: str, name: str
) -> None:
    """With numbers in place of a guess."""
    data = dicom_bytes(RAMP, **{keyword: [table(descriptor, entries)]}, **WINDOW)

    with pytest.raises(DataError) as caught:
        read_dicom(data, "x.dcm")

    assert caught.value.message.startswith(f"cannot read 'x.dcm': found a {name} ")
    assert says in caught.value.message


@pytest.mark.parametrize("bits", [8, 9, 12, 15, 16])
def test_modality_table_of_any_bits_is_looked_up(dicom_bytes: DicomBytes, bits: int) -> None:
    """The standard wants 8 or 16; the entries say what they are all the same."""
    stored = np.array([[0, 1, 2]], np.uint16)
    data = dicom_bytes(
        stored,
        ModalityLUTSequence=[table((3, 0, bits), (10, 30, 20))],
        WindowCenter=20,
        WindowWidth=20,
        VOILUTFunction="LINEAR_EXACT",
    )

    np.testing.assert_array_equal(read_dicom(data, "x.dcm")[0], [[0, 255, 128]])


@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 12), (12, 10), (10, 15), (16, 7)])
@pytest.mark.parametrize("beside", [WINDOW, {}], ids=["window", "none"])
def test_high_bit_elsewhere_is_refused(
    dicom_bytes: DicomBytes, bits: int, high: int, beside: dict[str, Any]
) -> None:
    """Where the bits lie is not to be told, PS3.5, 8.1.1."""
    data = dicom_bytes(RAMP, bits=bits, HighBit=high, **beside)

    with pytest.raises(DataError) as caught:
        read_dicom(data, "x.dcm")

    says = f"found the high bit {high} of values of {bits} bits, expected {bits - 1}"
    assert says in caught.value.message
    with pytest.raises(DataError, match=says):
        read_facts(data, "x.dcm")


def test_high_bit_missing_is_read(dicom_bytes: DicomBytes) -> None:
    """It can only be one."""
    expected, _ = read_dicom(dicom_bytes(RAMP), "x.dcm")

    np.testing.assert_array_equal(read_dicom(dicom_bytes(RAMP, HighBit=None), "x.dcm")[0], expected)


PADDED: dict[str, tuple[type, int, dict[str, Any]]] = {
    "white": (np.uint16, 65535, {"PixelPaddingValue": 65535}),
    "black": (np.uint16, 0, {"PixelPaddingValue": 0}),
    "range": (np.uint16, 65001, {"PixelPaddingValue": 65000, "PixelPaddingRangeLimit": 65535}),
    "range, downwards": (
        np.uint16,
        65001,
        {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 65000},
    ),
    "signed": (np.int16, -20000, {"PixelPaddingValue": -20000}),
    "signed, written as unsigned": (np.int16, -1000, {"PixelPaddingValue": -1000}),
}


@pytest.mark.parametrize("more", [{}, RESCALE, {"PhotometricInterpretation": "MONOCHROME1"}])
@pytest.mark.parametrize("name", PADDED)
def test_padding_is_left_out_of_the_stretch(
    dicom_bytes: DicomBytes, name: str, more: dict[str, Any]
) -> None:
    """The X-ray has the grey levels that it has without its border."""
    kind, value, elements = PADDED[name]
    picture = np.random.default_rng(0).normal(9000, 300, (30, 40)).astype(kind)
    padded = np.pad(picture, 25, constant_values=value)
    data = dicom_bytes(padded, bits=16, **elements, **more)
    if "written as" in name:
        data = data.replace(b"\x28\x00\x20\x01SS", b"\x28\x00\x20\x01US")

    grey, facts = read_dicom(data, "x.dcm")

    expected, plain = read_dicom(dicom_bytes(picture, bits=16, **more), "x.dcm")
    np.testing.assert_allclose(grey[25:-25, 25:-25].astype(int), expected, atol=1)
    assert facts.rule.replace(", its padding left out", "") == plain.rule
    assert "its padding left out" in facts.rule


def test_padding_all_over_is_stretched_as_any_picture(dicom_bytes: DicomBytes) -> None:
    """A picture of nothing but padding is constant."""
    padded = np.full((5, 6), 65535, np.uint16)

    grey, _ = read_dicom(dicom_bytes(padded, bits=16, PixelPaddingValue=65535), "x.dcm")

    assert not grey.any()


@pytest.mark.parametrize("beside", [WINDOW, {"bits": 8}], ids=["window", "8 bits"])
def test_padding_does_not_change_what_is_not_stretched(
    dicom_bytes: DicomBytes, beside: dict[str, Any]
) -> None:
    stored = (RAMP // 16).astype(np.uint8) if "bits" in beside else RAMP

    grey, facts = read_dicom(dicom_bytes(stored, PixelPaddingValue=0, **beside), "x.dcm")

    expected, plain = read_dicom(dicom_bytes(stored, **beside), "x.dcm")
    np.testing.assert_array_equal(grey, expected)
    assert facts.rule == plain.rule


MISSING = ["Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"]


@pytest.mark.parametrize("keyword", [*MISSING, "SamplesPerPixel", "PhotometricInterpretation"])
def test_element_that_is_missing_is_named_without_pythons_words(
    dicom_bytes: DicomBytes, keyword: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_dicom(dicom_bytes(RAMP, **{keyword: None}), "x.dcm")

    assert not PYTHON.search(caught.value.message), caught.value.message
    if keyword in MISSING:
        assert f"found no values of {keyword}, expected one" in caught.value.message


@pytest.mark.parametrize(
    ("keyword", "good", "bad"),
    [
        ("WindowCenter", b"2000.0", b"2000,0"),
        ("WindowWidth", b"1000.0", b"1 000 "),
        ("RescaleSlope", b"3.25", b"3,25"),
        ("RescaleIntercept", b"-7.5", b"none"),
    ],
)
def test_number_that_is_none_is_named(
    dicom_bytes: DicomBytes, keyword: str, good: bytes, bad: bytes
) -> None:
    """A decimal comma is what some systems write."""
    numbers = {
        "WindowCenter": "2000.0",
        "WindowWidth": "1000.0",
        "RescaleSlope": "3.25",
        "RescaleIntercept": "-7.5",
    }
    data = dicom_bytes(RAMP, **numbers)
    assert data.count(good) == 1

    with pytest.raises(DataError) as caught:
        read_dicom(data.replace(good, bad), "x.dcm")

    assert caught.value.message == f"cannot read 'x.dcm': found a {keyword} that is no number."


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_damage_is_told_in_words_of_dicom(dicom_bytes: DicomBytes, seed: int, count: int) -> None:
    """Of a header with tables, windows and padding, with bytes of it changed at random."""
    rng = np.random.default_rng(seed)
    elements = {**WINDOW, **RESCALE, "PixelPaddingValue": 3, "PixelSpacing": [1, 1]}
    tables = {"VOILUTSequence": [table()], "ModalityLUTSequence": [table()]}
    data = bytearray(dicom_bytes(RAMP, **elements, **tables))
    for place in rng.integers(132, len(data) - RAMP.nbytes, count):
        data[place] = rng.integers(0, 256)

    try:
        read_dicom(bytes(data), "x.dcm")
    except DataError as error:
        message = error.message
    else:
        return

    assert not PYTHON.search(message), message
