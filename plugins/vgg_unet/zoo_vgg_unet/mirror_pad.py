# SPDX-License-Identifier: Apache-2.0
"""A margin for images that a valid-convolution network is trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from zoo.errors import ConfigError

__all__ = ["MirrorPad"]


class MirrorPad(BaseTransform):
    """Mirror image and labels outwards by a margin; the edge's own pixels are not repeated.

    For training pipelines of ``OriginalUNet``, whose output lacks 92 px on each side: after it,
    the labels' middle is the whole image. ``TiledEncoderDecoder`` mirrors by itself in prediction.

    Args:
        margin_px: What is added on each side.

    Keys read:
        ``img``, and what ``seg_fields`` names.

    Keys changed:
        These, and ``img_shape``; ``pad_shape`` is set.

    Raises:
        ConfigError: A negative margin.
    """

    def __init__(self, margin_px: int = 92) -> None:
        if margin_px < 0:
            message = f"cannot build MirrorPad: margin_px is {margin_px!r}, expected at least 0."
            raise ConfigError(message, where="margin_px", hint="correct it in the config.")
        self.margin_px = margin_px

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return ``results`` with the margin."""
        for key in ("img", *results.get("seg_fields", [])):
            array = results[key]
            margin = [(self.margin_px, self.margin_px)] * 2 + [(0, 0)] * (array.ndim - 2)
            results[key] = np.pad(array, margin, mode="reflect")
        results["img_shape"] = results["pad_shape"] = results["img"].shape[:2]
        return results

    def __repr__(self) -> str:
        return f"MirrorPad(margin_px={self.margin_px})"
