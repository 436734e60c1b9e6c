# SPDX-License-Identifier: Apache-2.0
"""Read chosen bands of a TIFF as they are stored, in training and in prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mmcv.transforms import BaseTransform

from zoo.data import BandChoice, read_bands, show_bands
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LoadBands"]


class LoadBands(BaseTransform):
    """Load bands of a TIFF: uint8, uint16, int16 or float32, without reducing them to 8 bits.

    The first step of a pipeline, instead of ``LoadImageFromFile``. Bands are chosen by name if the
    file names all of them, else by number if it has as many bands as the training data. A sample
    without data (nodata, masked, NaN or infinite) gets the mean of its band, 0 after normalization.

    Args:
        bands: The bands as ``dataset.json`` states them: ``names``, ``numbers``, ``count``,
            ``dtype``, ``mean`` and ``std``. A config says None, and ``--data DIR`` sets it.

    Keys read:
        ``img_path``.

    Keys added:
        ``img`` ``(H, W, n)`` float32 in the order of ``bands``, ``img_shape`` and ``ori_shape``
        ``(H, W)``, and, for the JSON of ``zoo predict``, ``bits_per_sample``, ``channels`` and
        ``band_names``.

    Raises:
        ConfigError: ``bands`` is None when an image is loaded.
        DataError: The file cannot be read, or its bands are others.
    """

    def __init__(self, bands: Mapping[str, Any] | None = None) -> None:
        self._bands = None if bands is None else dict(bands)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the image.

        Args:
            results: Dict with the keys read.
        """
        bands = self._stated()
        where = str(results["img_path"])
        if results.get("bands") is not None:
            message = f"cannot read {Path(where).name!r} by other bands: the model knows its own."
            raise DataError(message, path=where, hint="leave --bands out.")
        names = tuple(bands["names"])
        choice = BandChoice(names, tuple(bands["numbers"]), bands["count"], bands["dtype"])
        read = read_bands(Path(where), where, choice)
        mean = np.asarray(bands["mean"], np.float32)
        results["img"] = np.where(read.missing, mean, read.samples.astype(np.float32))
        results["img_shape"] = results["ori_shape"] = read.samples.shape[:2]
        results["bits_per_sample"] = 8 * read.samples.dtype.itemsize
        results["channels"] = len(names)
        results["band_names"] = list(names)
        return results

    def show(self, img: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return a loaded image for people: red, green and blue if named, else three bands.

        Args:
            img: ``(H, W, n)`` as loaded.
        """
        bands = self._stated()
        return show_bands(img, bands["names"], bands["mean"], bands["std"])

    def _stated(self) -> dict[str, Any]:
        if self._bands is None:
            message = "cannot load bands: the config does not know those of the data."
            hint = "train with --data DIR, a folder of zoo data prepare BandFolderDataset."
            raise ConfigError(message, where="LoadBands.bands", hint=hint)
        return self._bands

    def __repr__(self) -> str:
        return f"LoadBands(bands={self._bands})"
