# SPDX-License-Identifier: Apache-2.0
"""A Secondary Capture of an overlay: a picture for archives that do not show segmentations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo_dicom_seg.segmentation import MAKER, Place, short_text, software
from zoo_dicom_seg.source_image import CONDITIONAL, REPEATED

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["make_capture"]


def make_capture(source: Dataset, pixels: NDArray[np.uint8], model: str, place: Place) -> Dataset:
    """Return a picture as a DICOM object of the patient and the study of an image.

    Args:
        source: As :func:`zoo_dicom_seg.source_image.read_source` returns it.
        pixels: ``(H, W, 3)`` RGB.
        model: Who predicted, for the texts.
        place: Where it is filed.

    Source:
        PS3.3, A.8.1: Secondary Capture Image.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import (
        PYDICOM_IMPLEMENTATION_UID,
        ExplicitVRLittleEndian,
        SecondaryCaptureImageStorage,
        generate_uid,
    )

    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*REPEATED, *CONDITIONAL, "DeidentificationMethodCodeSequence"):
        if keyword in source:
            setattr(made, keyword, source[keyword].value)
    made.StudyInstanceUID = source.StudyInstanceUID
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = generate_uid(prefix=None)
    made.SeriesInstanceUID, made.SeriesNumber = place.series_uid, place.series_number
    made.InstanceNumber = place.number
    made.Modality, made.ConversionType = "OT", "WSD"
    made.SeriesDescription = short_text(f"Overlay by {model}")
    made.Manufacturer, made.ManufacturerModelName = MAKER, short_text(model)
    made.SoftwareVersions = software()
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.DerivationDescription = "segmentation drawn over the source image"
    made.SourceImageSequence = [_reference(source)]
    made.PatientOrientation = source.get("PatientOrientation")
    _add_pixels(made, pixels)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return made


def _add_pixels(made: Dataset, pixels: NDArray[np.uint8]) -> None:
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"
    made.PlanarConfiguration = made.PixelRepresentation = 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    data = np.ascontiguousarray(pixels).tobytes()
    made.add_new("PixelData", "OB", data + bytes(len(data) % 2))


def _reference(source: Dataset) -> Any:
    """Return which image it was drawn over."""
    from pydicom import Dataset
    from pydicom.sr.codedict import codes

    purpose = Dataset()
    code = codes.cid7202.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator = code.value, code.scheme_designator
    purpose.CodeMeaning = code.meaning
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
