# SPDX-License-Identifier: Apache-2.0
"""Drawn radiographs of nobody, as DICOM, and predictions of them as ``zoo predict`` leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

CLASSES = ("background", "lung", "heart")
PALETTE = ((0, 0, 0), (0, 158, 115), (230, 159, 0))
DX = "1.2.840.10008.5.1.4.1.1.1.1"


def make_scan(path: Path, shape: tuple[int, int], **elements: Any) -> Path:
    """Write a digital radiograph with names, private elements and comments; None removes one."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    scan = Dataset()
    scan.file_meta = FileMetaDataset()
    scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan.SpecificCharacterSet = "ISO_IR 100"
    scan.SOPClassUID, scan.SOPInstanceUID = DX, generate_uid()
    scan.StudyInstanceUID, scan.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
    scan.PatientName, scan.PatientID = "Müller^Drawn", "D-1"
    scan.PatientBirthDate, scan.PatientSex = "19700101", "F"
    scan.StudyDate, scan.StudyTime, scan.StudyID = "20260102", "101112", "S1"
    scan.AccessionNumber, scan.ReferringPhysicianName = "A1", "Nobody^Anna"
    scan.Modality, scan.SeriesNumber, scan.InstanceNumber = "DX", 1, 1
    scan.InstitutionName, scan.PatientComments = "SECRET HOUSE", "SECRET REMARK"
    scan.PatientAge, scan.OtherPatientIDs = "056Y", "SECRET-2"
    scan.Manufacturer, scan.StationName = "SECRET MAKER", "SECRET ROOM"
    block = scan.private_block(0x0009, "SECRET MAKER", create=True)
    block.add_new(1, "LO", "SECRET PRIVATE")
    _add_pixels(scan, shape)
    for keyword, value in elements.items():
        if value is None:
            delattr(scan, keyword)
        else:
            setattr(scan, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    scan.save_as(path, enforce_file_format=True)
    return path


def _add_pixels(scan: Any, shape: tuple[int, int]) -> None:
    scan.Rows, scan.Columns = shape
    scan.SamplesPerPixel, scan.PhotometricInterpretation = 1, "MONOCHROME2"
    scan.BitsAllocated = scan.BitsStored = 8
    scan.HighBit, scan.PixelRepresentation = 7, 0
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8).tobytes()
    scan.add_new("PixelData", "OB", pixels + bytes(len(pixels) % 2))


def make_batch(
    folder: Path, files: Sequence[Path], maps: Sequence[np.ndarray[Any, Any]], **keys: Any
) -> Path:
    """Write label maps, overlays and ``predictions.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (file, labels) in enumerate(zip(files, maps, strict=True)):
        name = f"{file.stem}_{number}"
        cv2.imwrite(str(folder / f"{name}_label.png"), labels)
        overlay = np.random.default_rng(number).integers(0, 256, (*labels.shape, 3), np.uint8)
        cv2.imwrite(str(folder / f"{name}_overlay.png"), overlay[..., ::-1])
        rows.append(
            {
                "file": str(file),
                "label": f"{name}_label.png",
                "overlay": f"{name}_overlay.png",
                "height_px": labels.shape[0],
                "width_px": labels.shape[1],
                "areas": {},
                "meta": {},
            }
        )
    content = {
        "schema": "zoo.prediction/1",
        "task": "semantic",
        "model": {
            "name": "unet_drawn",
            "config": "unet.py",
            "checkpoint": "unet.safetensors",
            "sha256": "0123456789abcdef" * 4,
        },
        "classes": list(CLASSES),
        "palette": [list(color) for color in PALETTE],
        "notice": "Not a medical device: not for diagnosis.",
        "images": rows,
        **keys,
    }
    (folder / "predictions.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def scan() -> Callable[..., Path]:
    """Return :func:`make_scan`."""
    return make_scan


@pytest.fixture(scope="session")
def batch() -> Callable[..., Path]:
    """Return :func:`make_batch`."""
    return make_batch
