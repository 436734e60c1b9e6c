# SPDX-License-Identifier: Apache-2.0
"""Add a margin to training images of a network with valid convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from zoo.errors import ConfigError

__all__ = ["MirrorPad"]


class MirrorPad(BaseTransform):
    """Pad image and labels by mirroring, without repeating the edge pixels.

    For training pipelines of ``OriginalUNet``, whose output lacks 92 px on each side: with the
    margin, the output covers the whole image. ``TiledEncoderDecoder`` pads by itself in prediction.

    Args:
        margin_px: Width of the margin on each side.

    Keys read:
        ``img``, and the maps named in ``seg_fields``.

    Keys changed:
        the same, and ``img_shape``; sets ``pad_shape``.

    Raises:
        ConfigError: The margin is negative.
    """

    def __init__(self, margin_px: int = 92) -> None:
        if margin_px < 0:
            message = f"cannot build MirrorPad: margin_px is {margin_px!r}, expected at least 0."
            raise ConfigError(message, where="margin_px", hint="correct it in the config.")
        self.margin_px = margin_px

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the margin.

        Args:
            results: Dict with the keys read.
        """
        for key in ("img", *results.get("seg_fields", [])):
            array = results[key]
            margin = [(self.margin_px, self.margin_px)] * 2 + [(0, 0)] * (array.ndim - 2)
            results[key] = np.pad(array, margin, mode="reflect")
        results["img_shape"] = results["pad_shape"] = results["img"].shape[:2]
        return results

    def __repr__(self) -> str:
        return f"MirrorPad(margin_px={self.margin_px})"
