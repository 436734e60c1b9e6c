# SPDX-License-Identifier: Apache-2.0
"""Load prepared oil storage tanks as an mmdetection data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset

from zoo.errors import DataError
from zoo_oil_storage.facts import CLASSES, PALETTE

__all__ = ["OilStorageDataset"]


class OilStorageDataset(CocoDataset):
    """Oil storage tanks in satellite scenes, with boxes and masks made from them.

    Files:
        Written by ``zoo data prepare oil_storage``: ``images/<stem>.png`` (or ``.jpg``; 8-bit),
        ``annotations/{train,val,test}.json`` (COCO).

    Classes:
        ==  ================  ============
        id  name              colour (RGB)
        ==  ================  ============
        0   oil-storage-tank  255, 196, 0
        ==  ================  ============

        The category of the COCO JSON is 1.

    Units:
        Pixels of about 1.2 m in the Airbus scenes. Boxes are xyxy, half-open.

    Splits:
        By scene through a stable hash, with the shares given to ``prepare`` (0.9 train, 0.1 val).
        All tiles of a scene are in the same split.

    Labels:
        Boxes come from the source. **Masks are derived**: the ellipse inscribed in each box.

    Licence:
        Code Apache-2.0. The data is the user's own copy; see ``DATA_LICENSE.md``.

    Citation:
        Airbus DS, "Airbus Oil Storage Detection", SPOT imagery.

    Args:
        data_root: The prepared folder.
        ann_file: COCO JSON, relative to ``data_root``.
        data_prefix: Folder of the images, relative to ``data_root``.
        **kwargs: Arguments of ``mmdet.datasets.CocoDataset``: ``pipeline``, ``filter_cfg``,
            ``test_mode``.
    """

    METAINFO: dict[str, Any] = {"classes": CLASSES, "palette": list(PALETTE)}  # noqa: RUF012  mmdet declares it so

    def __init__(
        self,
        data_root: str,
        ann_file: str = "annotations/train.json",
        data_prefix: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=data_prefix or {"img": "images"},
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one row per image, with its path and instances.

        Raises:
            DataError: The COCO JSON or the folder of images is missing.
        """
        for path in (str(self.ann_file), str(self.data_prefix["img"])):
            if not Path(path).exists():
                message = f"cannot read the tanks: there is no {Path(path).name!r}."
                hint = "run 'zoo data prepare oil_storage', and give its folder: --data DIR."
                raise DataError(message, path=path, hint=hint)
        rows: list[dict[str, Any]] = super().load_data_list()
        return rows
