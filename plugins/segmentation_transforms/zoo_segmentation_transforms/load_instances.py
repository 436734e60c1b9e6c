# SPDX-License-Identifier: Apache-2.0
"""``LoadInstanceAnnotations``: load every mask format of COCO as outlines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations
from numpy.typing import NDArray

from zoo.data.coco.masks import MaskInRoi, find_rle_fault, roi_of
from zoo.errors import DataError
from zoo_segmentation_transforms.outlines import outline_pixels

__all__ = ["LoadInstanceAnnotations"]


class LoadInstanceAnnotations(LoadAnnotations):
    """Load boxes, classes and masks of instances, in every mask format.

    Use it instead of mmdet's ``LoadAnnotations``, which marks every instance without polygons as
    ignored if ``poly2mask=False``, and stores a bitmap per instance if ``poly2mask=True``.

    Polygons stay as they are. Run lengths (compact, as text or bytes, or as a list of numbers)
    become the outlines of their pixels, which cover exactly the same pixels, including holes. For
    an instance without a mask, or with a mask without area, the mask is its box. As all instances
    are outlines, they can be rotated, scaled and clipped without loss, and they need little memory.

    Args:
        with_mask: Whether to load masks.
        box_type: Box type of mmdet: ``hbox``, or None for plain arrays.

    Keys read:
        ``ori_shape``, ``instances``: dicts with ``bbox`` (xyxy px), ``bbox_label``,
        ``ignore_flag`` (1 for a crowd), and an optional ``mask``.

    Keys added:
        ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags``, ``gt_masks`` (``PolygonMasks``).

    Raises:
        DataError: Run lengths do not fit the size of the image; the message names the image.
    """

    def __init__(self, with_mask: bool = True, box_type: str = "hbox") -> None:
        super().__init__(with_mask=with_mask, poly2mask=False, box_type=box_type)

    def _process_masks(self, results: dict[str, Any]) -> list[list[NDArray[np.float64]]]:
        return [_outlines(instance, results) for instance in results.get("instances", ())]

    def __repr__(self) -> str:
        return f"LoadInstanceAnnotations(with_mask={self.with_mask}, box_type={self.box_type!r})"


def _outlines(instance: Mapping[str, Any], results: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    mask = instance.get("mask")
    outlines: list[NDArray[np.float64]] = []
    if isinstance(mask, Mapping):
        outlines = _outlines_of_rle(mask, results)
    elif mask is not None:
        parts = [np.asarray(part, np.float64).ravel() for part in mask]
        outlines = [part for part in parts if len(part) >= 6 and len(part) % 2 == 0]
    if not any(_has_area(outline) for outline in outlines):
        left, top, right, bottom = instance["bbox"]
        outlines = [np.array([left, top, right, top, right, bottom, left, bottom], np.float64)]
    return outlines


def _outlines_of_rle(
    mask: Mapping[str, Any], results: Mapping[str, Any]
) -> list[NDArray[np.float64]]:
    counts = mask.get("counts")
    text = counts.decode("ascii", "replace") if isinstance(counts, bytes) else counts
    rle = {"size": [int(side) for side in mask.get("size") or ()], "counts": text}
    height_px, width_px = results["ori_shape"][:2]
    fault = find_rle_fault(rle, int(height_px), int(width_px))
    if fault is not None:
        path = str(results.get("img_path", ""))
        message = f"cannot read the mask of an instance: {fault}."
        hint = "give masks of the image's own size; `zoo data check` finds all bad ones."
        raise DataError(message, path=path or None, hint=hint)
    roi = roi_of(rle)
    if not isinstance(roi, MaskInRoi) or not roi.pixels.size:
        return []
    corner = np.array([roi.left_px, roi.top_px], np.float64)
    outlines = outline_pixels(roi.pixels)
    return [(outline.reshape(-1, 2) + corner).ravel() for outline in outlines]


def _has_area(outline: NDArray[np.float64]) -> bool:
    points = outline.reshape(-1, 2)
    return bool((np.ptp(points, axis=0) > 0).all())
