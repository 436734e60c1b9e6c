# SPDX-License-Identifier: Apache-2.0
"""Load prepared chest radiographs as an mmsegmentation data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset

from zoo.data import read_prepared
from zoo.errors import DataError
from zoo_lung_xray.facts import CLASSES, PALETTE

__all__ = ["LungXrayDataset"]


class LungXrayDataset(BaseSegDataset):
    """Frontal chest radiographs with one label for both lungs.

    Files:
        Written by ``zoo data prepare lung_xray``: ``images/<stem>.png`` (8-bit grey or RGB),
        ``masks/<stem>.png`` (8-bit, class ids), ``splits/{train,val,test}.txt`` (one stem per
        line).

    Classes:
        ==  ==========  =============
        id  name        colour (RGB)
        ==  ==========  =============
        0   background  0, 0, 0
        1   lung        0, 158, 115
        ==  ==========  =============

        Lung is the visible lung field, without the heart, the mediastinum and the part behind
        the diaphragm. 255 is ignored; ``prepare`` does not write it.

    Units:
        Pixels. The published images have no spacing, and those of 512x512 have lost their aspect
        ratio, so an area in pixels is not a physical area. Rows of images that ``prepare`` made
        from DICOM have ``spacing_mm``, the distance between the rows and between the columns of
        the prepared image; list it in ``meta_keys`` to pass it to metrics.

    Splits:
        By patient through a stable hash, with the shares of train, val and test given to
        ``prepare`` (0.8, 0.1, 0.1). Known repeat images of a patient stay in one split.

    Licence:
        Code Apache-2.0. The data is the user's own copy; see ``DATA_LICENSE.md``.

    Citation:
        Jaeger et al. 2014, "Two public chest X-ray datasets for computer-aided screening of
        pulmonary diseases", Quant Imaging Med Surg 4(6):475-477. Candemir et al. 2014, "Lung
        segmentation in chest radiographs using anatomical atlases with nonrigid registration",
        IEEE Trans Med Imaging 33(2):577-590. Shenzhen masks: Stirenko et al. 2018,
        arXiv:1803.01199.

    Args:
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of masks.
        reduce_zero_label: False, because the background is a class.
        data_prefix: Folders of images and masks, relative to ``data_root``.
        **kwargs: Arguments of ``mmseg.datasets.BaseSegDataset``: ``data_root``, ``ann_file``,
            ``pipeline``.
    """

    METAINFO: dict[str, Any] = {  # noqa: RUF012  mmseg declares it so
        "classes": CLASSES,
        "palette": [list(colour) for colour in PALETTE],
    }

    def __init__(
        self,
        img_suffix: str = ".png",
        seg_map_suffix: str = ".png",
        reduce_zero_label: bool = False,
        data_prefix: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            reduce_zero_label=reduce_zero_label,
            data_prefix=data_prefix or {"img_path": "images", "seg_map_path": "masks"},
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one row per image, with its paths.

        Raises:
            DataError: A folder or the list of stems is missing, or ``dataset.json`` is damaged.
        """
        for path in (self.ann_file, *self.data_prefix.values()):
            if path and not Path(path).exists():
                message = f"cannot read chest X-rays: there is no {Path(path).name!r}."
                hint = "run 'zoo data prepare lung_xray', and give its folder: --data DIR."
                raise DataError(message, path=path, hint=hint)
        rows: list[dict[str, Any]] = super().load_data_list()
        spacings = _read_spacings(self.data_root)
        for row in rows:
            spacing = spacings.get(Path(row["img_path"]).stem)
            if spacing is not None:
                row["spacing_mm"] = spacing
        return rows


def _read_spacings(root: str | None) -> dict[str, tuple[float, float]]:
    """Return the spacing after resizing, in mm, of each prepared image that has one."""
    if not root or not Path(root, "dataset.json").is_file():
        return {}
    found = ((file.stem, file.spacing_mm) for file in read_prepared(Path(root)).files)
    return {stem: spacing for stem, spacing in found if spacing is not None}
