# SPDX-License-Identifier: Apache-2.0
"""Read an X-ray file as ``prepare`` does, so that a model sees what it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
from mmcv.transforms import BaseTransform

from zoo.data import decode_picture, read_file, to_uint8
from zoo_lung_xray.dicom import MARK_BYTES, is_candidate, is_dicom, is_dicom_name, read_dicom
from zoo_lung_xray.facts import read_stem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoadXray"]


class LoadXray(BaseTransform):
    """Load an 8-bit or 16-bit radiograph, grey or colour, as three 8-bit channels.

    The first step of a pipeline, instead of ``LoadImageFromFile``. 16-bit samples are stretched by
    ``zoo.data.to_uint8``, as in ``prepare``; 8-bit samples stay. As in mmcv's loader, grey is
    repeated in three channels and colour is BGR, so both loaders return the same for prepared
    images. ``zoo_lung_xray.dicom`` reads DICOM.

    Keys read:
        ``img_path``; ``bands`` if ``zoo predict --bands`` chose the bands of a TIFF.

    Keys added:
        ``img`` ``(H, W, 3)`` uint8 BGR, ``img_shape`` and ``ori_shape`` ``(H, W)``; and, for the
        JSON of ``zoo predict``, ``bits_per_sample`` (8 or 16; for DICOM, the bits in use),
        ``channels`` (1 or 3), ``source_set`` (``montgomery``, ``shenzhen`` or ``other``, from the
        name), and for DICOM with a spacing ``spacing_mm`` (between rows, between columns) and
        ``spacing_from``, the element that states it.

    Raises:
        DataError: The file cannot be read or is not a complete image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the image.

        Args:
            results: Dict with the keys read.
        """
        path = Path(results["img_path"])
        data = read_file(path)
        if is_dicom(path.name, data):
            image, facts = read_dicom(data, str(path))
            results = self.load_pixels(results, image)
            results["bits_per_sample"] = facts.bits_per_sample
            if facts.spacing_mm is not None:
                results["spacing_mm"] = facts.spacing_mm
                results["spacing_from"] = facts.spacing_from
            return results
        picture = decode_picture(data, str(path), bands=results.get("bands"))
        results = self.load_pixels(results, picture.to_uint8())
        results["bits_per_sample"] = 8 * picture.pixels.dtype.itemsize
        return results

    def load_pixels(
        self, results: dict[str, Any], pixels: NDArray[np.uint8 | np.uint16]
    ) -> dict[str, Any]:
        """Return ``results`` with an image that is already read.

        Args:
            results: Dict with ``img_path``, the origin of the image.
            pixels: ``(H, W)`` grey or ``(H, W, 3)`` RGB.
        """
        is_grey = pixels.ndim == 2
        code = cv2.COLOR_GRAY2BGR if is_grey else cv2.COLOR_RGB2BGR
        results["img"] = cv2.cvtColor(to_uint8(pixels), code)
        results["img_shape"] = results["ori_shape"] = pixels.shape[:2]
        results["bits_per_sample"] = 8 * pixels.dtype.itemsize
        results["channels"] = 1 if is_grey else 3
        results["source_set"] = read_stem(Path(results["img_path"]).stem).source_set
        return results

    @staticmethod
    def reads(path: Path) -> bool:
        """Return whether a file is DICOM, by its suffix or its first bytes.

        Args:
            path: A file in a folder given to ``zoo predict``.
        """
        if is_dicom_name(path.name):
            return True
        if not is_candidate(path.name):
            return False
        try:
            with path.open("rb") as file:
                return is_dicom(path.name, file.read(MARK_BYTES))
        except OSError:
            return False

    def __repr__(self) -> str:
        return "LoadXray()"
