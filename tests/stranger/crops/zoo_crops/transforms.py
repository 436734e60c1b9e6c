# SPDX-License-Identifier: Apache-2.0
"""Reading tiles, and light that changes across them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from zoo.data import decode_image, to_uint8

__all__ = ["LoadTile", "RandomShade"]


class LoadTile(BaseTransform):
    """Read a tile as BGR, and tell how green it is: mean of ``(2 G - R - B) / 255``."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``img``, ``img_shape``, ``ori_shape`` and ``greenness``."""
        path = Path(results["img_path"])
        image = to_uint8(decode_image(path.read_bytes(), str(path)))
        red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
        results["img"] = np.ascontiguousarray(image[..., ::-1])
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        results["greenness"] = round(float((2 * green - red - blue).mean() / 255), 4)
        return results


class RandomShade(BaseTransform):
    """Darken one side of the image.

    Args:
        strongest: Largest share of light that is taken away.
    """

    def __init__(self, strongest: float = 0.3) -> None:
        self.strongest = strongest

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``img`` in value alone."""
        image = results["img"]
        shade = 1 - np.linspace(0, np.random.uniform(0, self.strongest), image.shape[1])
        results["img"] = (image * shade[None, :, None]).astype(np.uint8)
        return results
