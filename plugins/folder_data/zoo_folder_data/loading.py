# SPDX-License-Identifier: Apache-2.0
"""Read an image as ``prepare`` does, so that a model sees what it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
from mmcv.transforms import BaseTransform

from zoo.data import read_picture, to_uint8

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoadImage"]


class LoadImage(BaseTransform):
    """Load an 8-bit or 16-bit image, grey or colour, as three 8-bit channels.

    The first step of a pipeline, instead of ``LoadImageFromFile``. 16-bit samples are stretched by
    ``zoo.data.to_uint8``, as in ``prepare``; mmcv's loader would drop their lower byte. Both
    loaders return the same for 8-bit images.

    Keys read:
        ``img_path``; ``bands`` if ``zoo predict --bands`` chose the bands of a TIFF.

    Keys added:
        ``img`` ``(H, W, 3)`` uint8 BGR, ``img_shape`` and ``ori_shape`` ``(H, W)``, and, for the
        JSON of ``zoo predict``, ``bits_per_sample`` (8 or 16) and ``channels`` (1 or 3).

    Raises:
        DataError: The file cannot be read or is not a complete image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the image.

        Args:
            results: Dict with the keys read.
        """
        picture = read_picture(results["img_path"], bands=results.get("bands"))
        results = self.load_pixels(results, picture.to_uint8())
        results["bits_per_sample"] = 8 * picture.pixels.dtype.itemsize
        return results

    def load_pixels(
        self, results: dict[str, Any], pixels: NDArray[np.uint8 | np.uint16]
    ) -> dict[str, Any]:
        """Return ``results`` with an image that is already read.

        Args:
            results: Dict of the image.
            pixels: ``(H, W)`` grey or ``(H, W, 3)`` RGB.
        """
        is_grey = pixels.ndim == 2
        code = cv2.COLOR_GRAY2BGR if is_grey else cv2.COLOR_RGB2BGR
        results["img"] = cv2.cvtColor(to_uint8(pixels), code)
        results["img_shape"] = results["ori_shape"] = pixels.shape[:2]
        results["bits_per_sample"] = 8 * pixels.dtype.itemsize
        results["channels"] = 1 if is_grey else 3
        return results

    def __repr__(self) -> str:
        return "LoadImage()"
