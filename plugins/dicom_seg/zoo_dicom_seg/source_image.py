# SPDX-License-Identifier: Apache-2.0
"""The image that was predicted, as DICOM: what a derived object must repeat of it, and no more.

Only listed elements are read, so private ones, comments, institutions and devices cannot get into
what is written.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import read_file
from zoo.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["quiet", "read_source"]

# PS3.3: type 1 elements of the image's own modules (C.12.1, C.7.2.1, C.7.3.1, C.7.6.3).
REQUIRED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
)
# Type 2 elements of the patient (C.7.1.1) and the study (C.7.2.1): present, maybe empty.
REPEATED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
# Conditional ones: how the pixels lie, and what was done to them and to the identity. It holds for
# what is made of them too.
CONDITIONAL = (
    "PatientOrientation",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
# Where the image lies in the patient, all or nothing; a radiograph does not say it. The
# thickness of a slice may be empty there (C.7.6.2).
PLACED = (
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
)
THICKNESS = "SliceThickness"
_METHODS = "DeidentificationMethodCodeSequence"
_GROUPS = "SharedFunctionalGroupsSequence"  # of objects made for several frames (C.7.6.16)
_PLACE = (*PLACED, THICKNESS)
_READ = (*REQUIRED, *REPEATED, *CONDITIONAL, *_PLACE, _METHODS, _GROUPS, "NumberOfFrames")
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings about values of the source, which are repeated as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_source(path: Path) -> Dataset:
    """Return the elements of a DICOM file that a derived object repeats, texts decoded.

    Args:
        path: A file with one frame.

    Raises:
        DataError: It is no DICOM file, lacks an element that it must have, or has several frames.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    data = read_file(path)
    try:
        with quiet():
            found = pydicom.dcmread(
                io.BytesIO(data),
                stop_before_pixels=True,
                specific_tags=[*_READ],
            )
            found.decode()
            kept = _kept(found)
            frames = int(found.get("NumberOfFrames") or 1)
            is_enhanced = _GROUPS in found
    except InvalidDicomError as error:
        message = f"cannot refer to {path.name!r}: found no DICOM file."
        hint = "give DICOM files to `zoo predict`: only they name a patient and a study."
        raise DataError(message, path=path, hint=hint) from error
    except Exception as error:  # pydicom raises many kinds for damaged files
        message = f"cannot refer to {path.name!r}: found a damaged DICOM file."
        raise DataError(message, path=path, hint="replace it with an intact copy.") from error
    wrong = next((keyword for keyword in REQUIRED if not _is_valid(kept.get(keyword))), None)
    if wrong is not None:
        message = f"cannot refer to {path.name!r}: it has no {wrong}, or none that DICOM allows."
        raise DataError(message, path=path, hint="export the file anew from its archive.")
    if frames != 1 or is_enhanced:
        what = "an object made for several" if frames == 1 else str(frames)
        message = f"cannot refer to {path.name!r}: found {what} frames, expected one."
        raise DataError(message, path=path, hint="export each frame as a file.")
    return kept


def _is_valid(value: Any) -> bool:
    """Return whether it is one UID, or the side of an image in px."""
    from pydicom.uid import UID

    if isinstance(value, UID):
        return value.is_valid
    return isinstance(value, int) and 0 < value < 2**16


def _kept(found: Dataset) -> Dataset:
    """Return the elements as a data set of their own, in UTF-8 once written."""
    from pydicom import Dataset

    kept = Dataset()
    for keyword in REPEATED:
        setattr(kept, keyword, None)
    is_placed = all(found.get(keyword) for keyword in PLACED)
    if is_placed:
        setattr(kept, THICKNESS, found.get(THICKNESS) or None)
    for keyword in (*REQUIRED, *REPEATED, *CONDITIONAL, *(PLACED if is_placed else ())):
        value = found.get(keyword)
        if value not in (None, ""):
            setattr(kept, keyword, _plain(value))
    items = [_code(item) for item in found.get(_METHODS) or ()]
    if items:
        setattr(kept, _METHODS, items)
    return kept


def _plain(value: Any) -> Any:
    """Return a name as a text, which is encoded anew when it is written."""
    from pydicom.valuerep import PersonName

    return str(value) if isinstance(value, PersonName) else value


def _code(item: Dataset) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    for keyword in _CODE:
        setattr(code, keyword, str(item.get(keyword) or ""))
    return code
