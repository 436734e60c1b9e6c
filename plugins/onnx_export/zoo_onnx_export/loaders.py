# SPDX-License-Identifier: Apache-2.0
"""Whether a loading transform does to pixels what a reader of exports does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from zoo.data import to_uint8
from zoo_onnx_export.errors import ExportError

__all__ = ["check_loader"]

_STOCK = "mmcv.transforms.loading.LoadImageFromFile"


def check_loader(loader: Any) -> str:
    """Return how a loading transform converts colours, as mmcv's ``color_type``.

    A reader of exports decodes a picture, repeats grey in three channels and reduces 16 bits to 8
    by ``zoo.data.to_uint8``. mmcv's loader is known; of another, ``load_pixels`` is tried.

    Args:
        loader: The first transform of a test pipeline.

    Raises:
        ExportError: It does something else, or loads images only from files.
    """
    name = type(loader).__name__
    if f"{type(loader).__module__}.{type(loader).__qualname__}" == _STOCK:
        if loader.color_type == "unchanged":
            raise _refused(name, "keeps the channels and the bits of a file ('unchanged')")
        return str(loader.color_type)
    if not hasattr(loader, "load_pixels"):
        raise _refused(name, "loads images from files, by rules of its own")
    drawn = np.random.default_rng(0)
    for shape, dtype in (((5, 7, 3), "uint8"), ((5, 7), "uint8"), ((5, 7, 3), "uint16")):
        pixels = drawn.integers(0, np.iinfo(dtype).max, shape, dtype)
        code = cv2.COLOR_RGB2BGR if len(shape) == 3 else cv2.COLOR_GRAY2BGR
        expected = cv2.cvtColor(to_uint8(pixels), code)
        try:
            found = loader.load_pixels({"img_path": "probe.png"}, pixels)["img"]
        except Exception as error:
            raise _refused(name, f"fails on pixels: {error!s:.200}") from error
        if not np.array_equal(found, expected):
            raise _refused(name, "changes the pixels that it loads")
    return "color"


def _refused(name: str, what: str) -> ExportError:
    message = f"cannot export the model: its loading transform {name} {what}."
    hint = "load by LoadImageFromFile, and apply the rest to the images beforehand."
    return ExportError(message, where="test_pipeline", hint=hint)
