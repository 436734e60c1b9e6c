# SPDX-License-Identifier: Apache-2.0
"""Distances between the borders of prediction and mask: Hausdorff 95 and surface Dice."""

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

    The border of a class consists of its pixels that have a neighbour above, below, left or right
    outside the class or outside the image. Distances run from each border pixel of one side to
    the nearest border pixel of the other side, between pixel centres.

    * ``hd95_<unit>_<class>``: the larger of the two 95th percentiles of those distances, from
      prediction to mask and from mask to prediction; 0 is best.
    * ``nsd_<tolerance><unit>_<class>``: the share of the border pixels of both sides whose
      distance is within the tolerance; 1 is best.

    MONAI computes both per image, at the image's own resolution. The values are means over the
    images; ``mean_hd95_<unit>`` and ``mean_nsd_<tolerance><unit>`` are means over the classes.

    If a class is absent from both sides of an image, the image is excluded for that class. If it
    is absent from one side only, its surface Dice is 0 and its distance is the diagonal of the
    image, the worst possible value: excluding such images would improve the mean with every missed
    object. Pixels equal to ``ignore_index`` in the mask belong to no class on either side. A class
    that is in no image is NaN and excluded from the means over classes.

    Args:
        classes: Classes to report, by name; None for all, background included.
        ignore_index: Id of pixels that belong to no class, or None.
        unit: ``px``; ``mm``, which requires ``spacing_mm`` (distance between rows, between
            columns) in the metainfo of every image; or ``auto``: mm for images with a spacing and
            px for the others, under separate names.
        tolerance_px: Tolerance of the surface Dice in pixels.
        tolerance_mm: Tolerance of the surface Dice in mm.
        collect_device: ``cpu`` or ``gpu``: how processes exchange the values of their images.
        prefix: Prefix of each name, followed by a slash; None for no prefix.

    Raises:
        ConfigError: MONAI is missing, the unit is unknown, a tolerance is out of range,
            ``classes`` names a class that the data set lacks, or two names become equal.
        DataError: A prediction or a mask holds an id that is not a class, their sizes differ, or
            an image lacks a spacing in mm.

    Source:
        Huttenlocher et al. 1993, doi:10.1109/34.232073; Nikolov et al. 2018, arXiv:1809.04430,
        counting border pixels instead of lengths, as MONAI does. Absent classes: Maier-Hein
        et al. 2024 (Metrics reloaded), doi:10.1038/s41592-023-02151-z.
    """

    # Empty, because mmengine warns about None.
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
                ids, ``img_path``, and ``spacing_mm`` if known.

        Raises:
            ConfigError: ``classes`` names a class that the data set lacks, or two names become
                equal.
            DataError: An id is not a class, sizes differ, or a spacing is invalid, or missing with
                ``unit="mm"``.
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
            The values by name, pixels before mm, classes in the order of their ids.

        Raises:
            ConfigError: ``classes`` names a class that the data set lacks, or two names become
                equal.
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
            One dict per image, in the data set's order, without classes absent from both sides.
            Empty before the first ``evaluate``, and on processes other than the main one.
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
    # One search for both values; compute_hausdorff_distance and compute_surface_dice would run
    # one each.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI calls its own deprecated functions
        _, distances, _ = _load_monai().get_edge_surface_distance(
            predicted.cpu(), actual.cpu(), spacing=spacing, symmetric=True
        )
    there, back = (part.numpy() for part in distances)
    # In the precision of the distances, so that three rows of 0.1 mm are within 0.3 mm.
    limit = np.float32(tolerance)
    within = np.count_nonzero(there <= limit) + np.count_nonzero(back <= limit)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), within / (len(there) + len(back))
