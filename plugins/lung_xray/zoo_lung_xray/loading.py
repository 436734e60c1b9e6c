# SPDX-License-Identifier: Apache-2.0
"""Reads an X-ray file the way ``prepare`` does, so that a model meets what it was trained on."""

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
    """Load a radiograph of 8 or 16 bits, grey or colour, as three channels of 8 bits.

    The first step of a pipeline, in place of ``LoadImageFromFile``. Samples of 16 bits are
    stretched by ``zoo.data.to_uint8``, as in ``prepare``; those of 8 bits stay. Grey is repeated
    in three channels, colour is put in the order BGR, as mmcv's loader does, so on a prepared
    picture both loaders give the same. DICOM is read by ``zoo_lung_xray.dicom``.

    Keys read:
        ``img_path``; ``bands`` where ``zoo predict --bands`` chose those of a TIFF.

    Keys added:
        ``img`` ``(H, W, 3)`` uint8 BGR, ``img_shape`` and ``ori_shape`` ``(H, W)``; and about
        the file, for the JSON of ``zoo predict``: ``bits_per_sample`` (8 or 16, of DICOM those
        in use), ``channels`` (1 or 3), ``source_set`` (``montgomery``, ``shenzhen`` or
        ``other``, from its name), and of DICOM that states it ``spacing_mm`` (from row to row,
        from column to column) with ``spacing_from``, the element that said so.

    Raises:
        DataError: The file cannot be read, or is no whole picture.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the picture."""
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
        """Return ``results`` with a picture that was read already.

        Args:
            results: With ``img_path``, where it came from.
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
        """Return whether a file is DICOM, by its suffix or by what it begins with.

        Args:
            path: A file in a folder that ``zoo predict`` is given.
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
