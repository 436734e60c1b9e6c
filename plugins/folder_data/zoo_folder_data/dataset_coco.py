# SPDX-License-Identifier: Apache-2.0
"""Load a prepared folder of your own instances as an mmdetection data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset

from zoo.data import read_prepared
from zoo.errors import DataError

__all__ = ["CocoFolderDataset"]


class CocoFolderDataset(CocoDataset):
    """Images and instances that ``zoo data prepare folder_data --task instance`` wrote.

    Files:
        ``images/<stem>.png`` (or ``.jpg``; 8-bit), ``annotations/{train,val,test}.json`` (COCO),
        ``dataset.json``.

    Classes:
        From the data: names and colours come from ``dataset.json`` unless ``metainfo`` gives
        others (``--data`` passes the same ones).

    Units:
        Pixels; boxes are xyxy, half-open.

    Splits:
        By the groups of ``--group-by`` (without it, each image is a group), through a stable
        hash, with the shares given to ``prepare``.

    Licence:
        Code Apache-2.0; the data is the user's own.

    Args:
        data_root: The prepared folder.
        ann_file: COCO JSON, relative to ``data_root``.
        data_prefix: Folder of the images, relative to ``data_root``.
        metainfo: Names and colours instead of those of the folder.
        **kwargs: Arguments of ``mmdet.datasets.CocoDataset``, such as ``pipeline``.

    Raises:
        DataError: ``data_root`` is not a prepared folder or lacks a file.
    """

    # Not the 80 COCO classes of the base class: the classes come from the data.
    METAINFO: dict[str, Any] = {}  # noqa: RUF012  mmdet declares it so

    def __init__(
        self,
        data_root: str,
        ann_file: str = "annotations/train.json",
        data_prefix: dict[str, str] | None = None,
        metainfo: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not metainfo or "classes" not in metainfo:
            prepared = read_prepared(Path(data_root))
            found = {
                "classes": prepared.classes,
                "palette": [tuple(color) for color in prepared.palette],
            }
            metainfo = found | (metainfo or {})
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=data_prefix or {"img": "images"},
            metainfo=metainfo,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one row per image, with its path and instances.

        Raises:
            DataError: The COCO JSON or the folder of images is missing.
        """
        for path in (str(self.ann_file), str(self.data_prefix["img"])):
            if not Path(path).exists():
                message = f"cannot read the data: there is no {Path(path).name!r}."
                hint = "prepare it with 'zoo data prepare folder_data --task instance'."
                raise DataError(message, path=path, hint=hint)
        rows: list[dict[str, Any]] = super().load_data_list()
        return rows
