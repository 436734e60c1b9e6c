# SPDX-License-Identifier: Apache-2.0
"""``RandomAffine``: a rotation, a zoom, a stretch, a shift and a resize in one resampling."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from zoo_segmentation_transforms.arguments import check_argument

__all__ = ["RandomAffine"]

_Matrix = NDArray[np.float64]


class RandomAffine(BaseTransform):
    """Transform image and labels by one random affine map about the centre, and resize them.

    Use it after ``LoadAnnotations``. Labels are sampled once, at the centres of the new pixels, so
    they stay aligned with the image: OpenCV's nearest-neighbour *resize*, which ``Resize`` uses for
    labels, shifts them by up to half a pixel of the larger grid. When an image shrinks, it is
    area-averaged first to avoid aliasing.

    Args:
        size: ``(width, height)`` of the result in px; the image fills it, without keeping its
            aspect ratio. None keeps the image's own size.
        degree: Largest rotation to either side, in degrees.
        scale: Smallest and largest zoom, drawn log-uniformly.
        aspect: Largest stretch, ``>= 1``, of width against height or the reverse, drawn
            log-uniformly.
        shift: Largest shift to each side, as a share of the result's width and height.
        prob: Probability of the transform; the image is always resized.
        pad_val: Value of image pixels from outside the image.
        seg_pad_val: Label of pixels from outside the image; losses ignore 255.

    Keys read:
        ``img`` ``(H, W)`` or ``(H, W, C)``, and each ``(H, W)`` map named in ``seg_fields``.

    Keys changed:
        the same, and ``img_shape``; adds ``scale_factor`` ``(width, height)`` of the resize.

    Raises:
        ConfigError: A setting is out of its range.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        degree: float = 10.0,
        scale: tuple[float, float] = (0.9, 1.1),
        aspect: float = 1.0,
        shift: float = 0.05,
        prob: float = 1.0,
        pad_val: float = 0,
        seg_pad_val: int = 255,
    ) -> None:
        name = type(self).__name__
        check_argument(name, "degree", degree, 0 <= degree <= 180, "0 to 180")
        check_argument(
            name, "scale", scale, 0 < scale[0] <= scale[1], "smallest and largest, above 0"
        )
        check_argument(name, "aspect", aspect, aspect >= 1, "1 or more")
        check_argument(name, "shift", shift, 0 <= shift <= 1, "0 to 1")
        check_argument(name, "prob", prob, 0 <= prob <= 1, "0 to 1")
        check_argument(name, "size", size, size is None or min(size) >= 1, "(width, height) in px")
        self.size = size
        self.degree = degree
        self.scale = scale
        self.aspect = aspect
        self.shift = shift
        self.prob = prob
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with image and label maps transformed together.

        Args:
            results: Dict with the keys read.
        """
        image = results["img"]
        height_px, width_px = image.shape[:2]
        size = self.size or (width_px, height_px)
        resize = _resizing((width_px, height_px), size)
        move = self._draw(size) if np.random.random() < self.prob else np.eye(3)
        if size[0] * size[1] < width_px * height_px:
            image, to_image = cv2.resize(image, size, interpolation=cv2.INTER_AREA), move
        else:
            to_image = move @ resize
        results["img"] = _warp(image, to_image, size, cv2.INTER_LINEAR, self.pad_val)
        for key in results.get("seg_fields", ()):
            labels = results[key]
            results[key] = _warp(labels, move @ resize, size, cv2.INTER_NEAREST, self.seg_pad_val)
        results["img_shape"] = (size[1], size[0])
        results["scale_factor"] = (size[0] / width_px, size[1] / height_px)
        return results

    def _draw(self, size: tuple[int, int]) -> _Matrix:
        """Return a random map of the result onto itself, in homogeneous pixel coordinates."""
        angle = np.deg2rad(np.random.uniform(-self.degree, self.degree))
        zoom = np.exp(np.random.uniform(*np.log(self.scale)))
        stretch = np.exp(np.random.uniform(-1, 1) * np.log(self.aspect) / 2)
        shift = np.random.uniform(-self.shift, self.shift, 2) * size
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        centre = (np.array(size) - 1) / 2
        matrix = np.eye(3)
        matrix[:2, :2] = turn @ np.diag([zoom * stretch, zoom / stretch])
        matrix[:2, 2] = centre + shift - matrix[:2, :2] @ centre
        return matrix

    def __repr__(self) -> str:
        return (
            f"RandomAffine(size={self.size}, degree={self.degree}, scale={self.scale}, "
            f"aspect={self.aspect}, shift={self.shift}, prob={self.prob})"
        )


def _resizing(before: tuple[int, int], after: tuple[int, int]) -> _Matrix:
    """Return the map of pixel indices of a resize, where pixel k covers [k, k + 1)."""
    factors = np.array(after) / np.array(before)
    matrix = np.diag([*factors, 1.0])
    matrix[:2, 2] = (factors - 1) / 2
    return matrix


def _warp(
    image: NDArray[Any], matrix: _Matrix, size: tuple[int, int], how: int, fill: float
) -> NDArray[Any]:
    border = (fill,) * 4
    return np.asarray(cv2.warpAffine(image, matrix[:2], size, flags=how, borderValue=border))
