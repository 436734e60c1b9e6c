# SPDX-License-Identifier: Apache-2.0
"""``RandomAppearance``: the grey values of another scanner, exposure and reader."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from zoo_segmentation_transforms.arguments import check_argument

__all__ = ["RandomAppearance"]

_Values = NDArray[np.float32]
_WHITE = 255.0  # the largest value of 8 bits


class RandomAppearance(BaseTransform):
    """Change gamma, contrast, brightness, lighting, sharpness and noise of an image, at random.

    For models that are to work on images of a source that is not in the training data: what is
    imaged stays where it is, and labels are not touched. Each step is taken with probability
    ``prob``, in the order of the arguments, in float32; the result is rounded and clipped to 8 bits
    once. All channels get the same change, so grey images stay grey.

    Args:
        gamma: Smallest and largest exponent of ``value / 255``, drawn log-uniformly; above 1 is
            darker.
        contrast: Smallest and largest factor of the distance to the image's mean, drawn
            log-uniformly.
        brightness: Largest value that is added or subtracted, as a share of 255.
        lighting: Strength of uneven lighting, ``>= 0``: the image is multiplied by
            ``exp(lighting * field)``. The field is smooth: bicubic between independent normal
            values at the cells of a grid.
        cells: Smallest and largest number of cells along each side of that grid.
        blur: Largest standard deviation of a Gaussian blur, in px.
        noise: Largest standard deviation of Gaussian noise, as a share of 255; independent between
            pixels.
        prob: Probability of each step.

    Keys read and changed:
        ``img`` ``(H, W)`` or ``(H, W, C)`` uint8.

    Raises:
        ConfigError: A setting is out of its range.
        ValueError: The image is not 8 bits.
    """

    def __init__(
        self,
        gamma: tuple[float, float] = (0.7, 1.4),
        contrast: tuple[float, float] = (0.7, 1.4),
        brightness: float = 0.1,
        lighting: float = 0.15,
        cells: tuple[int, int] = (2, 6),
        blur: float = 1.5,
        noise: float = 0.03,
        prob: float = 0.5,
    ) -> None:
        name = type(self).__name__
        for key, pair in (("gamma", gamma), ("contrast", contrast)):
            holds = 0 < pair[0] <= pair[1]
            check_argument(name, key, pair, holds, "smallest and largest, above 0")
        check_argument(name, "cells", cells, 1 <= cells[0] <= cells[1], "smallest and largest")
        check_argument(name, "brightness", brightness, 0 <= brightness <= 1, "0 to 1")
        check_argument(name, "lighting", lighting, lighting >= 0, "0 or more")
        check_argument(name, "blur", blur, blur >= 0, "0 or more, in px")
        check_argument(name, "noise", noise, 0 <= noise <= 1, "0 to 1")
        check_argument(name, "prob", prob, 0 <= prob <= 1, "0 to 1")
        self.gamma, self.contrast, self.brightness = gamma, contrast, brightness
        self.lighting, self.cells = lighting, cells
        self.blur, self.noise, self.prob = blur, noise, prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the image changed.

        Args:
            results: Dict with the key read.
        """
        image = results["img"]
        if image.dtype != np.uint8:
            message = f"cannot change the appearance of {image.dtype} values, expected uint8."
            raise ValueError(message)
        values = image.astype(np.float32)
        steps = (self._bend, self._stretch, self._brighten, self._light, self._blur, self._grain)
        for step in steps:
            if np.random.random() < self.prob:
                values = step(values)
        results["img"] = np.clip(np.rint(values), 0, _WHITE).astype(np.uint8)
        return results

    def _bend(self, values: _Values) -> _Values:
        exponent = np.exp(np.random.uniform(*np.log(self.gamma)))
        return np.asarray(_WHITE * (values / _WHITE) ** np.float32(exponent), np.float32)

    def _stretch(self, values: _Values) -> _Values:
        factor = np.float32(np.exp(np.random.uniform(*np.log(self.contrast))))
        mean = values.mean(dtype=np.float64).astype(np.float32)
        return np.asarray((values - mean) * factor + mean, np.float32)

    def _brighten(self, values: _Values) -> _Values:
        share = np.random.uniform(-self.brightness, self.brightness)
        return values + np.float32(share * _WHITE)

    def _light(self, values: _Values) -> _Values:
        rows, columns = np.random.randint(self.cells[0], self.cells[1] + 1, 2)
        knots = np.random.standard_normal((rows, columns)).astype(np.float32)
        size = (values.shape[1], values.shape[0])
        field = cv2.resize(knots, size, interpolation=cv2.INTER_CUBIC)
        return np.asarray(values * _spread(np.exp(self.lighting * field), values), np.float32)

    def _blur(self, values: _Values) -> _Values:
        sigma_px = np.random.uniform(0, self.blur)
        if sigma_px == 0:
            return values
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px)).reshape(values.shape)

    def _grain(self, values: _Values) -> _Values:
        sigma = np.float32(np.random.uniform(0, self.noise) * _WHITE)
        grains = np.random.standard_normal(values.shape[:2]).astype(np.float32)
        return np.asarray(values + _spread(sigma * grains, values), np.float32)

    def __repr__(self) -> str:
        return (
            f"RandomAppearance(gamma={self.gamma}, contrast={self.contrast}, "
            f"brightness={self.brightness}, lighting={self.lighting}, cells={self.cells}, "
            f"blur={self.blur}, noise={self.noise}, prob={self.prob})"
        )


def _spread(plane: NDArray[Any], values: _Values) -> NDArray[Any]:
    """Return an ``(H, W)`` plane in the number of axes of ``values``."""
    return plane if values.ndim == plane.ndim else plane[..., None]
