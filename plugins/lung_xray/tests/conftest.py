# SPDX-License-Identifier: Apache-2.0
"""Raw sets for the tests: the plugin's own sample, and small ones written file by file."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.data import encode_png

HALF = np.zeros((16, 16), np.uint8)
HALF[:, :8] = 255


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as it comes, 60 pairs, but of 192 px."""
    from zoo_lung_xray.sample import write_sample

    out = tmp_path_factory.mktemp("lung") / "sample"
    write_sample(out, seed=0, size_px=192)
    return out


@pytest.fixture
def write_raw(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of raw sets: ``write_raw({"masks/x.png": array_or_bytes})``."""

    def write(files: dict[str, np.ndarray | bytes], root: str = "Lung Segmentation") -> Path:
        for name, content in files.items():
            path = tmp_path / "raw" / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else encode_png(content))
        return tmp_path / "raw"

    return write


@pytest.fixture
def pairs() -> dict[str, np.ndarray]:
    """Three Montgomery and three Shenzhen pairs of 16 px, with the names of the public set."""
    rng = np.random.default_rng(0)
    files: dict[str, np.ndarray] = {}
    for number in (1, 2, 3):
        for prefix, ending in (("MCUCXR", ""), ("CHNCXR", "_mask")):
            stem = f"{prefix}_{number:04d}_0"
            files[f"CXR_png/{stem}.png"] = rng.integers(0, 256, (16, 16), np.uint8)
            files[f"masks/{stem}{ending}.png"] = HALF
    return files


def make_dicom(pixels: np.ndarray, *, bits: int = 12, **elements: Any) -> bytes:
    """Return a radiograph as pydicom writes it.

    ``elements`` replace what it states, None removes it; ``syntax`` compresses it.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName, dataset.PatientID = "SECRET^NAME", "SECRET-1"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * pixels.itemsize, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    dataset.add_new("PixelData", "OW", data + bytes(len(data) % 2))
    syntax = elements.pop("syntax", None)
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if syntax is not None:
        dataset.compress(syntax)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def dicom_bytes() -> Callable[..., bytes]:
    """Return :func:`make_dicom`."""
    return make_dicom


@pytest.fixture(scope="session")
def real_xrays() -> Path:
    """The real set below the folder that ZOO_REAL_DATA names."""
    root = os.environ.get("ZOO_REAL_DATA")
    if not root:
        pytest.skip("ZOO_REAL_DATA is not set: no real chest X-rays to read")
    folder = Path(root) / "chest_xray_masks_and_labels"
    if not folder.is_dir():
        pytest.skip(f"ZOO_REAL_DATA has no {folder.name}")
    return folder
