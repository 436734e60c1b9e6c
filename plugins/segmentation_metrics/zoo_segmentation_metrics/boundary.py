# SPDX-License-Identifier: Apache-2.0
"""How far apart the borders of prediction and mask lie: Hausdorff 95 and surface Dice."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from zoo.errors import ConfigError, DataError
from zoo_segmentation_metrics.classes import mean_of, name_classes, read_classes, read_labels

__all__ = ["BoundaryMetric"]

UNITS = ("auto", "px", "mm")


class BoundaryMetric(BaseMetric):
    """The 95th percentile of the Hausdorff distance, and the normalised surface Dice.

    A class's border in an image is those of its pixels that have a neighbour above, below, left
    or right outside of it, or beyond the image. Of each border pixel of the one side the distance
    to the nearest border pixel of the other is taken, from centre to centre.

    * ``hd95_<unit>_<class>``: the greater of the two 95th percentiles of those distances, from
      prediction to mask and from mask to prediction; 0 is best.
    * ``nsd_<tolerance><unit>_<class>``: the share of the border pixels of both sides whose
      distance is within the tolerance; 1 is best.

    Both are worked out image by image by MONAI, at the images' own resolution, and averaged over
    the images; ``mean_hd95_<unit>`` and ``mean_nsd_<tolerance><unit>`` are the means of those
    over the classes.

    An image where a class is absent from both sides has no value and is left out. Absent from one
    side only, its surface Dice is 0 and its distance the diagonal of the image, the worst that
    there is: left out, it would make the mean better the more objects are missed. Pixels equal to
    ``ignore_index`` in the mask belong to no class on either side. A class that no image has is
    NaN, and left out of the means over classes.

    Args:
        classes: Classes to report, by name; None for all, background included.
        ignore_index: Id of pixels that belong to no class, or None.
        unit: ``px``; ``mm``, for which every image must state ``spacing_mm``, the distances from
            row to row and from column to column, in its metainfo; or ``auto``: mm for the images
            that do, px for the others, each under names of its own.
        tolerance_px: Of the surface Dice in pixels.
        tolerance_mm: Of the surface Dice in mm.
        collect_device: ``cpu`` or ``gpu``: how processes exchange the values of their images.
        prefix: Put before each name, with a slash; None for nothing.

    Raises:
        ConfigError: MONAI is missing; the unit or a tolerance is not among these; ``classes``
            names one that the data set lacks, or two names become one.
        DataError: A prediction or a mask holds an id that is no class, or they differ in size; or
            an image lacks a spacing in mm.

    Source:
        Huttenlocher et al. 1993, doi:10.1109/34.232073; Nikolov et al. 2018, arXiv:1809.04430,
        but with border pixels counted instead of lengths, as MONAI does. Absent classes: Maier-Hein
        et al. 2024 (Metrics reloaded), doi:10.1038/s41592-023-02151-z.
    """

    # Empty rather than None, which mmengine warns about.
    default_prefix = ""

    def __init__(
        self,
        classes: Sequence[str] | None = None,
        ignore_index: int | None = 255,
        unit: str = "auto",
        tolerance_px: float = 2.0,
        tolerance_mm: float = 2.0,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if unit not in UNITS:
            message = f"cannot measure in {unit!r}: expected one of {', '.join(UNITS)}."
            raise ConfigError(message, where="BoundaryMetric.unit")
        self.tolerances = {"px": float(tolerance_px), "mm": float(tolerance_mm)}
        for name, value in self.tolerances.items():
            if not (math.isfinite(value) and value >= 0):
                message = f"cannot use a tolerance of {value:g} {name}: expected 0 or more."
                raise ConfigError(message, where=f"BoundaryMetric.tolerance_{name}")
        _load_monai()
        self.classes = None if classes is None else tuple(classes)
        self.ignore_index = ignore_index
        self.unit = unit
        self._per_image: list[dict[str, Any]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Measure one batch, image by image.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``pred_sem_seg.data`` and ``gt_sem_seg.data``, ``(1, H, W)``
                ids, ``img_path``, and ``spacing_mm`` where it is known.

        Raises:
            ConfigError: ``classes`` names one that the data set lacks, or two names become one.
            DataError: An id that is no class, sizes that differ, or a spacing that is none, or
                missing where mm are asked for.
        """
        keys, ids = self._keys()
        classes = len(read_classes(self.dataset_meta, "BoundaryMetric"))
        for sample in data_samples:
            file, predicted, mask, is_known = read_labels(sample, classes, self.ignore_index)
            unit, spacing = self._scale(sample, file)
            values: dict[str, float] = {}
            for key, class_id in zip(keys, ids, strict=True):
                found, true = ((side == class_id) & is_known for side in (predicted, mask))
                measured = _measure(found, true, spacing, self.tolerances[unit])
                values.update(zip(self._names(unit, key), measured, strict=True))
            self.results.append({"file": file, "unit": unit, "values": values})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return the means over all images; keep the values of each image.

        Args:
            results: ``file``, ``unit`` and ``values`` of each image, in the data set's order.

        Returns:
            The values by name, pixels before mm, those of classes in the order of their ids.

        Raises:
            ConfigError: ``classes`` names one that the data set lacks, or two names become one.
        """
        self._per_image = [
            {
                "file": result["file"],
                "values": {k: v for k, v in result["values"].items() if not math.isnan(v)},
            }
            for result in results
        ]
        keys, _ = self._keys()
        found: dict[str, float] = {}
        for unit in self.tolerances:
            of_unit = [result["values"] for result in results if result["unit"] == unit]
            if of_unit:
                found |= self._means(unit, keys, of_unit)
        return found

    def per_image_values(self) -> list[dict[str, Any]]:
        """Return ``file`` and ``values`` of each image of the last ``evaluate``.

        Returns:
            One dict an image, in the data set's order; a class absent from both sides is left
            out. Empty before the first ``evaluate``, and on processes other than the main one.
        """
        return self._per_image

    def _means(
        self, unit: str, keys: Sequence[str], images: Sequence[Mapping[str, float]]
    ) -> dict[str, float]:
        found: dict[str, float] = {}
        for index, name in enumerate(self._names(unit, "")):
            columns = [self._names(unit, key)[index] for key in keys]
            means = {column: mean_of(values[column] for values in images) for column in columns}
            found |= means | {f"mean_{name.rstrip('_')}": mean_of(means.values())}
        return found

    def _names(self, unit: str, key: str) -> tuple[str, str]:
        return f"hd95_{unit}_{key}", f"nsd_{self.tolerances[unit]:g}{unit}_{key}"

    def _keys(self) -> tuple[list[str], list[int]]:
        known = read_classes(self.dataset_meta, "BoundaryMetric")
        return name_classes(known, self.classes, "BoundaryMetric")

    def _scale(self, sample: Mapping[str, Any], file: str) -> tuple[str, tuple[float, float]]:
        """Return the unit of an image, and its pixels' height and width in it."""
        spacing = sample.get("spacing_mm")
        if self.unit == "px" or (self.unit == "auto" and spacing is None):
            return "px", (1.0, 1.0)
        if spacing is None:
            message = "cannot measure in mm: the image states no pixel spacing."
            hint = "add 'spacing_mm' to the meta_keys of the test pipeline, or set unit='px'."
            raise DataError(message, path=file, hint=hint)
        match [float(value) for value in spacing]:
            case [row_mm, column_mm] if 0 < row_mm < math.inf and 0 < column_mm < math.inf:
                return "mm", (row_mm, column_mm)
        message = f"cannot measure in mm: spacing_mm is {spacing!r}, expected two numbers above 0."
        raise DataError(
            message, path=file, hint="correct the data set's spacing, or set unit='px'."
        )


def _load_monai() -> Any:
    try:
        from monai.metrics import utils
    except ImportError as error:
        message = f"cannot compute BoundaryMetric: {error}."
        raise ConfigError(message, hint='pip install "monai>=1.4,<2".') from error
    return utils


def _measure(
    predicted: torch.Tensor, actual: torch.Tensor, spacing: tuple[float, float], tolerance: float
) -> tuple[float, float]:
    """Return Hausdorff 95 and surface Dice of two ``(H, W)`` bool masks; NaN if both are empty."""
    if not predicted.any() and not actual.any():
        return math.nan, math.nan
    if not predicted.any() or not actual.any():
        height_px, width_px = actual.shape
        return math.hypot(height_px * spacing[0], width_px * spacing[1]), 0.0
    # One search serves both values, where compute_hausdorff_distance and compute_surface_dice
    # would make one each.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI uses what it has itself deprecated
        _, distances, _ = _load_monai().get_edge_surface_distance(
            predicted.cpu(), actual.cpu(), spacing=spacing, symmetric=True
        )
    there, back = (part.numpy() for part in distances)
    # In the distances' own precision: three rows of 0.1 mm are within 0.3 mm.
    limit = np.float32(tolerance)
    within = np.count_nonzero(there <= limit) + np.count_nonzero(back <= limit)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), within / (len(there) + len(back))
