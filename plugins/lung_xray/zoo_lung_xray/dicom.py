# SPDX-License-Identifier: Apache-2.0
"""Read a DICOM file as an 8-bit radiograph, with a few facts about it.

Only the elements in ``_NEEDED`` are read. Names, dates and other identifying elements are not read,
so no message, report or JSON can contain them. The patient's ID is read to keep the images of a
patient in one split; outside this module, only five digits of its hash are used.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data import MOST_PX
from zoo.errors import DataError
from zoo_lung_xray.dicom_grey import describe_rule, to_grey
from zoo_lung_xray.dicom_refusal import INTACT, Refusal, name_colours, name_uid, words_of
from zoo_lung_xray.dicom_tables import tidy_tables

__all__ = [
    "MARK_BYTES",
    "DicomFacts",
    "is_candidate",
    "is_dicom",
    "is_dicom_name",
    "load_pydicom",
    "read_dicom",
    "read_facts",
]

SUFFIXES = (".dcm", ".dicom")
# The extra dicom of pyproject.toml: pydicom and its decoders of compressed pixels.
_EXTRA = '"pydicom>=3,<4" "pillow>=10" "pylibjpeg>=2" "pylibjpeg-openjpeg>=2.4" "pylibjpeg-rle>=2"'
# Names that scanners and archives write: no suffix, or a number, the last part of a UID.
_BARE_SUFFIX = re.compile(r"|\.\d+|\.ima")
MARK_BYTES = 132  # PS3.10, 7.1: a preamble of 128 bytes, then DICM
# PS3.3: format of the pixels (C.7.6.3), meaning of their values (C.11.1, C.11.2), spacing
# (10.7.1), kind of object (C.12.1), patient (C.7.1.1).
_NEEDED = [
    "SOPClassUID",
    "PatientID",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
]
_REQUIRED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
_NUMBERS = (
    *_REQUIRED,
    "SamplesPerPixel",
    "HighBit",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
)
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
# Errors of pydicom and its decoders for invalid files.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """The facts of a DICOM file besides its pixels.

    Args:
        bits_per_sample: Bits used of each stored value.
        spacing_mm: Distance between rows and between columns; None if the file does not say.
        spacing_from: ``PixelSpacing``, ``ImagerPixelSpacing`` (at the detector, so larger than in
            the patient by the magnification), or None.
        patient: Equal for files with the same patient ID, empty without one; does not reveal the
            ID.
        rule: How stored values become 8 bits, a sentence for the report.
    """

    bits_per_sample: int
    spacing_mm: tuple[float, float] | None
    spacing_from: str | None
    patient: str
    rule: str


def is_dicom_name(name: str) -> bool:
    """Return whether a name ends in ``.dcm`` or ``.dicom``.

    Args:
        name: Name of the file.
    """
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_candidate(name: str) -> bool:
    """Return whether a file may be DICOM by its name, so that its first bytes must decide.

    Args:
        name: Name of the file.
    """
    suffix = PurePosixPath(name).suffix.lower()
    return _BARE_SUFFIX.fullmatch(suffix) is not None and name != "DICOMDIR"


def is_dicom(name: str, head: bytes) -> bool:
    """Return whether a file is read as DICOM.

    Args:
        name: Name of the file.
        head: Its first bytes, at least ``MARK_BYTES``.
    """
    marked = head[MARK_BYTES - 4 : MARK_BYTES] == b"DICM"
    return is_dicom_name(name) or (is_candidate(name) and marked)


def read_facts(data: bytes, where: str) -> DicomFacts:
    """Return the facts in the header of a DICOM file.

    Args:
        data: The whole file.
        where: The file's name for messages.

    Raises:
        DataError: pydicom is missing, or the file is not a single grey image.
    """
    with _explaining(data, where):
        dataset, left_out = _parse(data)
        return _facts(dataset, left_out)


def read_dicom(data: bytes, where: str) -> tuple[NDArray[np.uint8], DicomFacts]:
    """Return the image of a DICOM file as viewers display it, and the facts in its header.

    Stored values pass through rescale or the modality table, then through the VOI table or else the
    first window, and become 0 to 255; see ``zoo_lung_xray.dicom_grey``. MONOCHROME1 is inverted, so
    that air is dark in every image.

    Args:
        data: The whole file.
        where: The file's name for messages.

    Returns:
        ``(H, W)`` uint8, and the facts.

    Raises:
        DataError: pydicom is missing; the file is damaged, holds no pixels, several frames or
            colour; or no installed decoder reads its transfer syntax.
    """
    with _explaining(data, where):
        dataset, left_out = _parse(data)
        stored = _decode(dataset)
        return to_grey(stored, dataset), _facts(dataset, left_out)


@functools.cache
def load_pydicom() -> Any:
    """Return the module ``pydicom``.

    Raises:
        DataError: It is not installed; the message contains the command to install it.
    """
    try:
        import pydicom
    except ImportError as error:
        message = f"cannot read DICOM files: {error}."
        raise DataError(message, hint=f"pip install {_EXTRA}.") from error
    # Its warnings quote the content of files; the relevant ones are errors here.
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    return pydicom


@contextmanager
def _explaining(data: bytes, where: str) -> Iterator[None]:
    """Convert every failure of a file into one error that names it."""
    errors = load_pydicom().errors
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    try:
        if data[MARK_BYTES - 4 : MARK_BYTES] != b"DICM":
            fault = "found no mark 'DICM' behind the first 128 bytes"
            raise Refusal(fault, INTACT)
        yield
    except Refusal as refusal:
        message = f"cannot read {name!r}: {refusal.fault}."
        raise DataError(message, path=where, hint=refusal.hint) from refusal.__cause__
    except (*_FAULTS, errors.BytesLengthException, errors.InvalidDicomError) as error:
        words = words_of(error)
        told = f" ({words})" if words else ""
        message = f"cannot read {name!r}: found a damaged DICOM file of {len(data)} bytes{told}."
        raise DataError(message, path=where, hint=INTACT) from error


def _parse(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """Return the needed elements, and the kinds of tables removed as empty."""
    dataset = load_pydicom().dcmread(io.BytesIO(data), specific_tags=_NEEDED)
    _check_image(dataset)
    return dataset, tidy_tables(dataset)


def _check_image(dataset: Any) -> None:
    if "PixelData" not in dataset:
        kind = name_uid(dataset.get("SOPClassUID"))
        what = "floating-point pixels" if _has_floats(dataset) else "no pixels"
        hint = "give images; a report, a plan or a truncated file has none."
        fault = f"found a DICOM file with {what} ({kind}), expected an image"
        raise Refusal(fault, hint)
    _check_numbers(dataset)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        hint = "export the frame that you want as its own file."
        fault = f"found a DICOM file of {frames} frames, expected one"
        raise Refusal(fault, hint)
    colours = name_colours(dataset.get("PhotometricInterpretation"))
    if colours not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        fault = f"found colours as {colours}, expected grey (MONOCHROME1 or MONOCHROME2)"
        raise Refusal(fault, "export the image as grey, or as PNG.")
    bits = dataset.BitsAllocated
    if bits not in (8, 16):
        hint = "give radiographs; masks and doses are stored that way."
        fault = f"found samples of {bits} bits, expected 8 or 16"
        raise Refusal(fault, hint)

    _check_pixels(dataset)


def _check_numbers(dataset: Any) -> None:
    """Raise for a required element that is missing, or for text that is not a number."""
    for keyword in _NUMBERS:
        try:
            value = dataset.get(keyword)
            numbers = [float(part) for part in _parts_of(value)]
        except _FAULTS as error:
            fault = f"found a {keyword} that is not a number"
            raise Refusal(fault, "write it again, with a decimal point.") from error
        if not all(map(math.isfinite, numbers)):
            fault = f"found a {keyword} that is not finite"
            raise Refusal(fault)
        if keyword in _REQUIRED and len(numbers) != 1:
            fault = f"found {len(numbers) or 'no'} values of {keyword}, expected one"
            raise Refusal(fault)


def _parts_of(value: Any) -> list[Any]:
    """Return the values of an element; none if it is missing or empty."""
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else [value]


def _check_pixels(dataset: Any) -> None:
    """Raise for too many pixels, and for bits at places other than in PS3.5, 8.1.1.

    A few bytes of run lengths may decode to gigabytes.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if not 0 < rows * columns <= MOST_PX:
        fault = f"found {columns}x{rows} px, expected one to {MOST_PX}"
        raise Refusal(fault)
    stored, high = dataset.BitsStored, dataset.get("HighBit")
    if high is not None and high != stored - 1:
        fault = f"found the high bit {high} of values of {stored} bits, expected {stored - 1}"
        raise Refusal(fault, "export the image again: the position of its bits is ambiguous.")


def _has_floats(dataset: Any) -> bool:
    return "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset


def _decode(dataset: Any) -> NDArray[Any]:
    """Return the stored values, ``(H, W)`` of 8 or 16 bits."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        stored: NDArray[Any] = dataset.pixel_array
    except (NotImplementedError, RuntimeError) as error:
        # pydicom raises this for a syntax without a decoder and for pixels that none can decode.
        fault = f"found pixels stored as {name_uid(syntax)!r}, which no installed decoder supports"
        hint = (
            "if it is intact, pip install python-gdcm, or store it uncompressed (gdcmconv --raw)."
        )
        raise Refusal(fault, hint) from error
    except BaseException as error:
        # Decoders in Rust panic on damaged pixels, and a panic is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        fault = f"found damaged pixels, stored as {name_uid(syntax)!r}"
        raise Refusal(fault, INTACT) from error
    if stored.ndim != 2 or not stored.size:
        fault = f"found pixels of shape {stored.shape}, expected rows and columns"
        raise Refusal(fault, INTACT)
    return stored


def _facts(dataset: Any, left_out: tuple[str, ...]) -> DicomFacts:
    spacing, spacing_from = _spacing(dataset)
    patient = str(dataset.get("PatientID") or "").strip()
    # Many IDs share five digits, so hashing all possible IDs does not reveal the ID. Two patients
    # with equal digits stay in one split, which does no harm.
    digest = hashlib.sha256(patient.encode("utf-8", "surrogateescape")).hexdigest()[:5]
    return DicomFacts(
        bits_per_sample=int(dataset.BitsStored),
        spacing_mm=spacing,
        spacing_from=spacing_from,
        patient=f"patient-{digest}" if patient else "",
        rule=describe_rule(dataset, left_out),
    )


def _spacing(dataset: Any) -> tuple[tuple[float, float] | None, str | None]:
    for keyword in _SPACINGS:
        values = dataset.get(keyword)
        if values is None or isinstance(values, str) or not hasattr(values, "__len__"):
            continue
        numbers = [float(value) for value in values]
        if len(numbers) == 2 and all(math.isfinite(value) and value > 0 for value in numbers):
            return (numbers[0], numbers[1]), keyword
    return None, None
