# SPDX-License-Identifier: Apache-2.0
"""Load a prepared folder of your own data as an mmsegmentation data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset

from zoo.data import read_prepared
from zoo.errors import DataError

__all__ = ["FolderDataset"]


class FolderDataset(BaseSegDataset):
    """Images and masks that ``zoo data prepare folder_data`` wrote.

    Files:
        ``images/<stem>.png`` (8-bit, grey or RGB), ``masks/<stem>.png`` (8-bit, ids of the
        classes, 255 is ignored), ``splits/{train,val,test}.txt`` (one stem per line),
        ``dataset.json``.

    Classes:
        From the data: names and colours come from ``dataset.json`` unless ``metainfo`` gives
        others (``--data`` passes the same ones).

    Units:
        Pixels.

    Splits:
        By the groups of ``--group-by`` (without it, each image is a group), through a stable
        hash, with the shares given to ``prepare``.

    Licence:
        Code Apache-2.0; the data is the user's own.

    Args:
        data_root: The prepared folder.
        ann_file: List of stems, relative to ``data_root``.
        data_prefix: Folders of images and masks, relative to ``data_root``.
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of masks.
        reduce_zero_label: False, because ids count from 0.
        metainfo: Names and colours instead of those of the folder.
        **kwargs: Arguments of ``mmseg.datasets.BaseSegDataset``, such as ``pipeline``.

    Raises:
        DataError: ``data_root`` is not a prepared folder or lacks a file.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str = "splits/train.txt",
        data_prefix: dict[str, str] | None = None,
        img_suffix: str = ".png",
        seg_map_suffix: str = ".png",
        reduce_zero_label: bool = False,
        metainfo: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not metainfo or "classes" not in metainfo:
            prepared = read_prepared(Path(data_root))
            found = {
                "classes": prepared.classes,
                "palette": [list(color) for color in prepared.palette],
            }
            metainfo = found | (metainfo or {})
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=data_prefix or {"img_path": "images", "seg_map_path": "masks"},
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            reduce_zero_label=reduce_zero_label,
            metainfo=metainfo,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one row per image, with its paths.

        Raises:
            DataError: A folder or the list of stems is missing.
        """
        for path in (self.ann_file, *self.data_prefix.values()):
            if path and not Path(path).exists():
                message = f"cannot read the data: there is no {Path(path).name!r}."
                hint = "run 'zoo data prepare folder_data', and give its folder: --data DIR."
                raise DataError(message, path=path, hint=hint)
        rows: list[dict[str, Any]] = super().load_data_list()
        return rows
