# SPDX-License-Identifier: Apache-2.0
"""``RandomInstanceCrop``: crop a rotated, zoomed and flipped window with its instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import shapely
import shapely.affinity
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from numpy.typing import NDArray

from zoo_segmentation_transforms.arguments import check_argument
from zoo_segmentation_transforms.outlines import flatten_shape, shape_of

__all__ = ["RandomInstanceCrop"]

_Matrix = NDArray[np.float64]
_Points = NDArray[np.float64]


class RandomInstanceCrop(BaseTransform):
    """Crop a window of fixed size from a rotated, zoomed and flipped image, in one resampling.

    Use it after ``LoadInstanceAnnotations`` or mmdet's ``LoadAnnotations``. The coordinates of
    outlines, including holes, are transformed and clipped at the window's edges, and **boxes are
    computed anew from the clipped outlines**: the bounding box of a rotated box is too large for
    round objects. Without masks, the box itself is rotated.

    If a box exceeds its outline by at most a pixel per side, this is the annotators' convention
    (from the first pixel of an object to the one after its last). The margin is scaled and kept, so
    that training and evaluation use the same boxes: at 40 px it is 5 % of the IoU.

    Args:
        size: ``(width, height)`` of the window in px; pixels outside the image are ``pad_val``.
        degree: Largest rotation to either side, in degrees; 180 for aerial images.
        scale: Smallest and largest zoom, drawn log-uniformly; values below 0.5 would alias.
        flip: Probability of a horizontal flip; with ``degree=180``, all eight orientations of a
            square occur.
        on_instance: Probability that the window contains a random instance, at a random place in
            the window; otherwise its place on the image is random.
        min_visible: Share of an instance's area that must be inside, or it is dropped. Any part of
            a crowd or another ignored instance is kept, because it is not background.
        min_size: Smallest width and height in px of a box that is kept.
        pad_val: Value of image pixels from outside the image.
        seg_pad_val: Label of pixels from outside the image, for label maps.

    Keys read:
        ``img`` ``(H, W, C)``; each ``(H, W)`` map named in ``seg_fields``; ``gt_masks``
        (``PolygonMasks`` or ``BitmapMasks``), ``gt_bboxes``, ``gt_bboxes_labels``,
        ``gt_ignore_flags``, if present.

    Keys changed:
        the same, and ``img_shape``. A window may contain no instance.

    Raises:
        ConfigError: A setting is out of its range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (512, 512),
        degree: float = 180.0,
        scale: tuple[float, float] = (0.7, 1.4),
        flip: float = 0.5,
        on_instance: float = 0.8,
        min_visible: float = 0.25,
        min_size: float = 2.0,
        pad_val: float = 0,
        seg_pad_val: int = 255,
    ) -> None:
        name = type(self).__name__
        check_argument(name, "size", size, min(size) >= 1, "(width, height) in px")
        check_argument(name, "degree", degree, 0 <= degree <= 180, "0 to 180")
        is_range = 0.5 <= scale[0] <= scale[1]
        check_argument(name, "scale", scale, is_range, "smallest and largest, 0.5 or more")
        for key, share in (("flip", flip), ("on_instance", on_instance)):
            check_argument(name, key, share, 0 <= share <= 1, "0 to 1")
        check_argument(name, "min_visible", min_visible, 0 <= min_visible <= 1, "0 to 1")
        check_argument(name, "min_size", min_size, min_size >= 0, "0 or more, in px")
        self.size = (size[0], size[1])
        self.degree = degree
        self.scale = scale
        self.flip = flip
        self.on_instance = on_instance
        self.min_visible = min_visible
        self.min_size = min_size
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the image cropped and its instances transformed and clipped.

        Args:
            results: Dict with the keys read.
        """
        matrix = self._draw(results)
        results["img"] = _warp(results["img"], matrix, self.size, cv2.INTER_LINEAR, self.pad_val)
        results["img_shape"] = (self.size[1], self.size[0])
        for key in results.get("seg_fields", ()):
            fill = self.seg_pad_val
            results[key] = _warp(results[key], matrix, self.size, cv2.INTER_NEAREST, fill)
        if "gt_bboxes" not in results:
            return results
        if isinstance(results.get("gt_masks"), BitmapMasks):
            boxes, kept = self._move_bitmaps(results, matrix)
        else:
            boxes, kept = self._move_outlines(results, matrix)
        results["gt_bboxes"] = HorizontalBoxes(np.asarray(boxes, np.float32).reshape(-1, 4))
        for key in ("gt_bboxes_labels", "gt_ignore_flags"):
            if key in results:
                results[key] = results[key][kept]
        return results

    def _draw(self, results: dict[str, Any]) -> _Matrix:
        """Return a random ``(3, 3)`` map of the image's plane, where pixel k is [k, k + 1)."""
        height_px, width_px = results["img"].shape[:2]
        angle = np.deg2rad(np.random.uniform(-self.degree, self.degree))
        zoom = np.exp(np.random.uniform(*np.log(self.scale)))
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        mirror = -1.0 if np.random.random() < self.flip else 1.0
        matrix = np.eye(3)
        matrix[:2, :2] = zoom * turn @ np.diag([mirror, 1.0])
        boxes = results.get("gt_bboxes")
        if boxes is not None and len(boxes) and np.random.random() < self.on_instance:
            left, top, right, bottom = boxes.tensor[np.random.randint(len(boxes))].tolist()
            source = np.array([(left + right) / 2, (top + bottom) / 2])
            target = np.random.uniform(0, 1, 2) * self.size
        else:
            source = np.random.uniform(0, 1, 2) * (width_px, height_px)
            target = np.array(self.size) / 2
        matrix[:2, 2] = target - matrix[:2, :2] @ source
        return matrix

    def _move_outlines(
        self, results: dict[str, Any], matrix: _Matrix
    ) -> tuple[Sequence[NDArray[np.floating]], list[int]]:
        """Transform polygons, or boxes without masks; return the new boxes and the kept indices."""
        masks, old_boxes = results.get("gt_masks"), results["gt_bboxes"].tensor.numpy()
        zoom = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
        coefficients = [*matrix[:2, :2].ravel(), *matrix[:2, 2]]
        boxes, kept, outlines_left, least = [], [], [], self._least_visible(results)
        for index, box in enumerate(old_boxes.astype(np.float64)):
            outline = shape_of(masks.masks[index] if masks is not None else [_corners(box)])
            if outline.is_empty:
                continue
            margins = _margins(box, outline.bounds)
            whole = shapely.affinity.affine_transform(outline, coefficients)
            left = shapely.clip_by_rect(whole, 0, 0, *self.size)
            if left.area <= 0 or left.area < least[index] * whole.area:
                continue
            new_box = self._clip(left.bounds + zoom * margins * (-1, -1, 1, 1))
            if self._is_large_enough(new_box):
                boxes.append(new_box)
                kept.append(index)
                outlines_left.append(flatten_shape(left))
        if masks is not None:
            results["gt_masks"] = PolygonMasks(outlines_left, self.size[1], self.size[0])
        return boxes, kept

    def _move_bitmaps(
        self, results: dict[str, Any], matrix: _Matrix
    ) -> tuple[Sequence[NDArray[np.floating]], list[int]]:
        """Transform pixel masks; return the new boxes and the kept indices."""
        masks, zoom = results["gt_masks"], abs(np.linalg.det(matrix[:2, :2]))
        moved, kept, least = [], [], self._least_visible(results)
        for index, mask in enumerate(masks.masks):
            part = _warp(mask.astype(np.uint8), matrix, self.size, cv2.INTER_NEAREST, 0)
            rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
            if not len(rows) or part.sum() < least[index] * mask.sum() * zoom:
                continue
            if self._is_large_enough((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)):
                moved.append(part)
                kept.append(index)
        results["gt_masks"] = BitmapMasks(moved, self.size[1], self.size[0])
        return results["gt_masks"].get_bboxes("hbox").tensor.numpy(), kept

    def _least_visible(self, results: dict[str, Any]) -> NDArray[np.float64]:
        """Return for each instance the share of it that must be inside."""
        ignored = results.get("gt_ignore_flags", np.zeros(len(results["gt_bboxes"]), bool))
        least: NDArray[np.float64] = np.where(ignored, 0.0, self.min_visible)
        return least

    def _clip(self, box: _Points) -> _Points:
        return np.clip(box, 0, (*self.size, *self.size))

    def _is_large_enough(self, box: Sequence[float] | _Points) -> bool:
        return min(box[2] - box[0], box[3] - box[1]) >= self.min_size

    def __repr__(self) -> str:
        return (
            f"RandomInstanceCrop(size={self.size}, degree={self.degree}, scale={self.scale}, "
            f"flip={self.flip}, on_instance={self.on_instance}, min_visible={self.min_visible}, "
            f"min_size={self.min_size})"
        )


def _margins(box: _Points, bounds: Sequence[float]) -> _Points:
    """Return how far a box exceeds an outline, ltrb; zeros if by more than a pixel."""
    margins = (np.asarray(bounds) - box) * (1, 1, -1, -1)
    return margins if np.abs(margins).max() <= 1 else np.zeros(4)


def _corners(box: _Points) -> _Points:
    left, top, right, bottom = box
    return np.array([left, top, right, top, right, bottom, left, bottom])


def _warp(
    image: NDArray[Any], matrix: _Matrix, size: tuple[int, int], how: int, fill: float
) -> NDArray[Any]:
    # OpenCV counts from pixel centres, the matrix from their corners.
    to_indices = matrix[:2].copy()
    to_indices[:, 2] += 0.5 * (matrix[:2, :2].sum(1) - 1)
    border = (fill,) * 4
    return np.asarray(cv2.warpAffine(image, to_indices, size, flags=how, borderValue=border))
