# SPDX-License-Identifier: Apache-2.0
"""What devices write beside the standard: used where it is clear, else refused as what it is."""

import io
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
    """The standard requires 8 or 16; the entries are still unambiguous."""
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

    assert caught.value.message == f"cannot read 'x.dcm': found a {keyword} that is not a number."


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


SAME: dict[str, tuple[np.ndarray, dict[str, Any], dict[str, Any]]] = {
    # stored values, what is odd, and elements that give the same picture of RAMP
    "overlay in the high bits, window": (RAMP | 0x8000, WINDOW, WINDOW),
    "overlay in the high bits": (RAMP | 0xF000, {}, {}),
    "window of two": (RAMP, {"WindowCenter": [2000, 500], "WindowWidth": [1000, 100]}, WINDOW),
    "centre without width": (RAMP, {"WindowCenter": 2000}, {}),
    "width empty": (RAMP, {"WindowCenter": 2000, "WindowWidth": ""}, {}),
    "window empty": (RAMP, {"WindowCenter": "", "WindowWidth": ""}, {}),
    "rescale empty": (RAMP, WINDOW | {"RescaleSlope": "", "RescaleIntercept": ""}, WINDOW),
    "no tables in the sequence": (RAMP, WINDOW | {"VOILUTSequence": []}, WINDOW),
    "presentation table": (RAMP, WINDOW | {"PresentationLUTShape": "INVERSE"}, WINDOW),
    "space behind the colours": (RAMP, {"PhotometricInterpretation": "MONOCHROME2 "}, {}),
    "aspect ratio": (RAMP, {"PixelAspectRatio": [2, 1]}, {}),
    "window of floats": (RAMP, {"WindowCenter": "2000.00", "WindowWidth": "1e3"}, WINDOW),
}


@pytest.mark.parametrize(("stored", "odd", "plain"), SAME.values(), ids=SAME)
def test_oddity_that_says_nothing_changes_nothing(
    dicom_bytes: DicomBytes, stored: np.ndarray, odd: dict[str, Any], plain: dict[str, Any]
) -> None:
    grey, facts = read_dicom(dicom_bytes(stored, **odd), "x.dcm")

    expected, expected_facts = read_dicom(dicom_bytes(RAMP, **plain), "x.dcm")
    np.testing.assert_array_equal(grey, expected)
    assert facts == expected_facts


def test_bytes_behind_the_pixels_change_nothing(dicom_bytes: DicomBytes) -> None:
    data = dicom_bytes(RAMP, **WINDOW)

    grey, _ = read_dicom(data + bytes(7), "x.dcm")

    np.testing.assert_array_equal(grey, read_dicom(data, "x.dcm")[0])


def test_signed_values_of_12_bits_need_no_extended_sign(dicom_bytes: DicomBytes) -> None:
    """Two's complement of 12 bits in 16: by the window's formula, PS3.3, C.11.2.1.2."""
    values = RAMP.astype(int)[:, ::-1] - 2048
    data = dicom_bytes(
        (values & 0xFFF).astype(np.uint16), PixelRepresentation=1, WindowCenter=0, WindowWidth=1000
    )

    grey, _ = read_dicom(data, "x.dcm")

    expected = 255 * np.clip((values + 0.5) / 999 + 0.5, 0, 1)
    assert np.abs(grey - expected).max() <= 0.5 + 1e-6


def test_8_bits_in_16_are_kept(dicom_bytes: DicomBytes) -> None:
    stored = (RAMP // 16).astype(np.uint16)

    grey, facts = read_dicom(dicom_bytes(stored, bits=8), "x.dcm")

    np.testing.assert_array_equal(grey, stored)
    assert facts.rule == "DICOM of 8 bits made 8 bits by keeping them"


@pytest.mark.parametrize("slope", [0, "0.0"])
def test_slope_of_zero_is_a_constant_picture(dicom_bytes: DicomBytes, slope: Any) -> None:
    grey, _ = read_dicom(dicom_bytes(RAMP, RescaleSlope=slope, RescaleIntercept=3), "x.dcm")

    assert not grey.any()


@pytest.mark.parametrize("width", ["0", "0.913", "-100"])
def test_window_that_the_standard_forbids_is_refused(dicom_bytes: DicomBytes, width: str) -> None:
    """In pydicom's words, which name the element."""
    data = dicom_bytes(RAMP, WindowCenter="0.4565", WindowWidth=width)

    with pytest.raises(DataError, match="Window Width must be greater") as caught:
        read_dicom(data, "x.dcm")

    assert not PYTHON.search(caught.value.message)


@pytest.mark.parametrize("keyword", ["Implicit", "Explicit"])
def test_padding_of_any_syntax_is_a_number(dicom_bytes: DicomBytes, keyword: str) -> None:
    """Implicit VR does not say whether it is signed: the pixels do."""
    syntax = {"Implicit": "1.2.840.10008.1.2", "Explicit": "1.2.840.10008.1.2.1"}[keyword]
    picture = np.random.default_rng(0).normal(-200, 30, (30, 40)).astype(np.int16)
    padded = np.pad(picture, 25, constant_values=-2000)
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(padded, bits=16, PixelPaddingValue=-2000)))
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(
        buffer, implicit_vr=keyword == "Implicit", little_endian=True, enforce_file_format=True
    )

    grey, facts = read_dicom(buffer.getvalue(), "x.dcm")

    expected, _ = read_dicom(dicom_bytes(picture, bits=16), "x.dcm")
    np.testing.assert_array_equal(grey[25:-25, 25:-25], expected)
    assert "its padding left out" in facts.rule


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_damaged_run_lengths_are_read_or_refused(
    dicom_bytes: DicomBytes, seed: int, count: int
) -> None:
    """Their decoder is written in Rust, whose panic Python's ``except Exception`` lets through."""
    rng = np.random.default_rng(seed)
    data = bytearray(dicom_bytes(RAMP, syntax="1.2.840.10008.1.2.5"))
    for place in rng.integers(len(data) - 600, len(data), count):
        data[place] = rng.integers(0, 256)

    try:
        read_dicom(bytes(data), "x.dcm")
    except DataError as error:
        message = error.message
    else:
        return

    assert not PYTHON.search(message), message


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.5"], ids=["plain", "run lengths"])
def test_file_that_states_billions_of_pixels_is_refused_before_they_are_made(
    dicom_bytes: DicomBytes, syntax: str | None
) -> None:
    """Its memory would be 8 GB."""
    data = dicom_bytes(RAMP, syntax=syntax)
    for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        place = data.index(tag) + len(tag)
        data = data[:place] + b"\xff\xff" + data[place + 2 :]

    with pytest.raises(DataError, match="found 65535x65535 px, expected one to 268435456"):
        read_dicom(data, "x.dcm")


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_thousand_damaged_files_are_read_or_refused(dicom_bytes: DicomBytes, block: int) -> None:
    """Headers and pixels, of three kinds of files, some of them cut."""
    tables = {"VOILUTSequence": [table()], "ModalityLUTSequence": [table()]}
    files = [
        dicom_bytes(RAMP, **WINDOW, **RESCALE, **tables, PixelPaddingValue=3),
        dicom_bytes(RAMP, bits=16, PixelPaddingValue=3, syntax="1.2.840.10008.1.2.5"),
        dicom_bytes(RAMP, PixelSpacing=[1, 1], PixelAspectRatio=[2, 1]),
    ]
    for seed in range(block * 1000, (block + 1) * 1000):
        rng = np.random.default_rng(seed)
        data = bytearray(files[seed % 3])
        for place in rng.integers(132, len(data), rng.integers(1, 30)):
            data[place] = rng.integers(0, 256)
        kept = rng.integers(0, len(data)) if rng.random() < 0.1 else len(data)

        message = ""
        try:
            read_dicom(bytes(data[:kept]), "x.dcm")
        except DataError as error:
            message = error.message

        assert not PYTHON.search(message), (seed, message)
