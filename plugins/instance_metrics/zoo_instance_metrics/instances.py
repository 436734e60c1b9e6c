# SPDX-License-Identifier: Apache-2.0
"""The true or predicted instances of an image, in compact form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as rle_tools
from numpy.typing import NDArray

from zoo.errors import DataError

__all__ = [
    "ImageFacts",
    "Instances",
    "Predictions",
    "Rle",
    "TrueInstances",
    "areas_of",
    "check_labels",
    "encode_masks",
    "read_boxes",
]

Rle = Mapping[str, Any]
"""Compressed run lengths as COCO writes them: ``size`` (height, width) and ``counts``."""


@dataclass(frozen=True, slots=True)
class Instances:
    """K instances of an image, at its own resolution.

    Attributes:
        labels: ``(K,)`` int64, ids of classes.
        boxes: ``(K, 4)`` float64: x, y, width and height in px, as in COCO.
        masks: K run lengths, or None if not needed.
    """

    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    masks: Sequence[Rle] | None


@dataclass(frozen=True, slots=True)
class TrueInstances(Instances):
    """True instances.

    Attributes:
        areas: ``(K,)`` float64 in px^2, by which COCO sorts boxes and masks into sizes.
        is_crowd: ``(K,)`` bool: groups of objects, which do not count.
    """

    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Predictions(Instances):
    """Predicted instances.

    Attributes:
        scores: ``(K,)`` float64, which rank boxes.
        mask_scores: ``(K,)`` float64, which rank masks.
    """

    scores: NDArray[np.float64]
    mask_scores: NDArray[np.float64]

    def scores_of(self, kind: str) -> NDArray[np.float64]:
        """Return the scores that rank boxes or masks.

        Args:
            kind: ``bbox`` or ``segm``.
        """
        return self.mask_scores if kind == "segm" else self.scores


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image properties that instances are checked against.

    Attributes:
        file: Path, for messages.
        size: Height and width in px.
        classes: Number of classes.
        with_masks: Whether masks are needed.
    """

    file: str
    size: tuple[int, int]
    classes: int
    with_masks: bool


def read_boxes(boxes: Any) -> NDArray[np.float64]:
    """Return boxes as x, y, width, height.

    Args:
        boxes: ``(K, 4)`` xyxy in px, a tensor or mmdet's ``HorizontalBoxes``.
    """
    corners = np.asarray(_as_array(getattr(boxes, "tensor", boxes)), np.float64).reshape(-1, 4)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def encode_masks(masks: Any, size: tuple[int, int], file: str) -> list[Rle]:
    """Return masks in any form of mmdet as run lengths.

    Args:
        masks: A tensor or array ``(K, H, W)``; mmdet's ``BitmapMasks`` or ``PolygonMasks``; or a
            list of run lengths.
        size: Height and width of the image in px.
        file: Path of the image, for the message.

    Raises:
        DataError: The size of the masks differs from that of the image.
    """
    found = getattr(masks, "masks", masks)
    if isinstance(found, (list, tuple)):
        # For an empty list of polygons, the size is that of mmdet's structure.
        stated = (getattr(masks, "height", size[0]), getattr(masks, "width", size[1]))
        sizes = {tuple(one["size"]) for one in found if isinstance(one, Mapping)} or {stated}
        _check_size(sizes, size, file)
        return [one if isinstance(one, Mapping) else _draw(one, size) for one in found]
    array = _as_array(found)
    _check_size({array.shape[1:]} if len(array) else set(), size, file)
    # One by one, because converting the order of all at once would copy all of them.
    return [rle_tools.encode(np.asarray(one, np.uint8, order="F")) for one in array]


def check_labels(labels: NDArray[np.int64], what: str, image: ImageFacts) -> None:
    """Check that labels are ids of classes.

    Args:
        labels: ``(K,)`` int64.
        what: Owner of the labels, for the message.
        image: The image.

    Raises:
        DataError: A label is not the id of a class.
    """
    is_bad = (labels < 0) | (labels >= image.classes)
    if is_bad.any():
        message = (
            f"cannot score an image: {what} has the label {labels[is_bad][0]}, expected one from "
            f"0 to {image.classes - 1}."
        )
        raise DataError(message, path=image.file, hint="the classes of config and data set differ.")


def areas_of(masks: Sequence[Rle]) -> NDArray[np.float64]:
    """Return the areas of masks in px^2.

    Args:
        masks: Run lengths.
    """
    return np.asarray(rle_tools.area(list(masks)), np.float64).reshape(len(masks))


def _as_array(values: Any) -> NDArray[Any]:
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _draw(polygons: Sequence[Any], size: tuple[int, int]) -> Rle:
    parts = [np.asarray(polygon, np.float64).ravel().tolist() for polygon in polygons]
    rle: Rle = rle_tools.merge(rle_tools.frPyObjects(parts, *size))
    return rle


def _check_size(found: set[tuple[int, ...]], size: tuple[int, int], file: str) -> None:
    for height, width in found:
        if (height, width) != size:
            message = (
                f"cannot score an image: found masks of {width}x{height} px, expected the image's "
                f"{size[1]}x{size[0]}."
            )
            hint = "load annotations after Resize in the test pipeline, and predict with rescale."
            raise DataError(message, path=file, hint=hint)
