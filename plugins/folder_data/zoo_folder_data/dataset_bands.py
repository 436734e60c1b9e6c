# SPDX-License-Identifier: Apache-2.0
"""Load a prepared folder of bands as an mmsegmentation data set."""

from __future__ import annotations

from typing import Any

from zoo_folder_data.dataset import FolderDataset

__all__ = ["BandFolderDataset"]


class BandFolderDataset(FolderDataset):
    """Bands and masks that ``zoo data prepare BandFolderDataset`` wrote.

    Files:
        ``images/<stem>.tif`` (n bands of uint8, uint16, int16 or float32, as in the source),
        ``masks/<stem>.png`` (8-bit, ids of the classes; 255 is ignored, also where a band has no
        data), ``splits/{train,val,test}.txt`` (one stem per line), ``dataset.json``.

    Classes:
        From the data, as in :class:`zoo_folder_data.dataset.FolderDataset`.

    Units:
        Pixels; samples are the file's own, whatever they measure.

    Splits:
        As in :class:`zoo_folder_data.dataset.FolderDataset`.

    Licence:
        Code Apache-2.0; the data is the user's own.

    Args:
        data_root: The prepared folder.
        img_suffix: Suffix of images.
        **kwargs: Arguments of :class:`zoo_folder_data.dataset.FolderDataset`.

    Raises:
        DataError: ``data_root`` is not a prepared folder or lacks a file.
    """

    def __init__(self, data_root: str, img_suffix: str = ".tif", **kwargs: Any) -> None:
        super().__init__(data_root, img_suffix=img_suffix, **kwargs)
