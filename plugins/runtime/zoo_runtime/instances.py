# SPDX-License-Identifier: Apache-2.0
"""The instances of one image: predicted window by window, then merged as zoo merges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.copied.pictures.pixels import resize_image
from zoo_runtime.copied.scenes.merging import Detection, merge_windows
from zoo_runtime.copied.scenes.pasting import paste_mask
from zoo_runtime.copied.scenes.roi_mask import RoiMask
from zoo_runtime.copied.scenes.scene import shown_size
from zoo_runtime.copied.scenes.windows import Tiling, Window, tile_windows
from zoo_runtime.errors import ModelError
from zoo_runtime.results import InstanceResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_runtime.session import Session

__all__ = ["predict_instances"]

_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def predict_instances(
    session: Session,
    image: NDArray[Any],
    shown: NDArray[np.uint8],
    *,
    tiling: Tiling | None,
    score_thr: float,
    where: str,
) -> InstanceResult:
    """Return the instances of an image.

    Args:
        session: A file of the task ``instance``.
        image: ``(H, W, 3)`` RGB of the type of its input.
        shown: The image for people to look at, 8 bits.
        tiling: Windows; None for the whole image.
        score_thr: Least score of an instance, in ``[0, 1]``.
        where: The image, for messages.

    Raises:
        DataError: The model fails on it.
        ModelError: It returns outputs of other shapes, classes that it does not name, or boxes
            that are not finite.
    """
    height_px, width_px = image.shape[:2]
    has_masks = "masks" in session.outputs
    windows = [Window(0, 0, width_px, height_px)]
    if tiling is not None:
        windows = list(tile_windows(width_px, height_px, tiling))
    found = [
        (window, list(_detections(session, image, window, min(score_thr, 0.1), where)))
        for window in windows
    ]
    detections = merge_windows(found, width_px, height_px)
    scores = np.array([one.score for one in detections], np.float32)
    kept = [one for one, is_kept in zip(detections, scores >= score_thr, strict=True) if is_kept]
    masks = tuple(one.mask for one in kept if one.mask is not None)
    record = session.record
    return InstanceResult(
        boxes=np.array([one.box for one in kept], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in kept], np.float32),
        class_ids=np.array([one.class_id for one in kept], np.int64),
        masks=masks if has_masks else None,
        classes=record.classes,
        palette=record.palette,
        counts_at={thr: int((scores >= thr).sum()) for thr in _THRESHOLDS},
        score_thr=score_thr,
        height_px=height_px,
        width_px=width_px,
        windows=len(windows),
        shown=resize_image(shown, shown_size(width_px, height_px)),
        notice=record.notice,
    )


def _detections(
    session: Session, image: NDArray[Any], window: Window, least: float, where: str
) -> Iterator[Detection]:
    """Yield what the model found in a window, in px of the image."""
    left, top, right, bottom = (int(side) for side in window.box)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    names = ["boxes", "scores", "labels", *(["masks"] * ("masks" in session.outputs))]
    boxes, scores, labels, *masks = session.run(part, names, where)
    _check(session, boxes, scores, labels, masks, part.shape)
    offset = np.tile([left, top], 2)
    for index in np.flatnonzero(scores >= least).tolist():
        x0, y0, x1, y1 = (boxes[index] + offset).tolist()
        mask = None
        if masks:
            mask = _mask(session, masks[0][index], boxes[index], window)
            if mask is None:
                continue  # the mask of this box is empty
            if x0 >= x1 or y0 >= y1:
                x0, y0, x1, y1 = mask.box  # SOLO returns masks, and boxes of zeros
        yield Detection((x0, y0, x1, y1), float(scores[index]), int(labels[index]), mask)


def _mask(
    session: Session, mask: NDArray[Any], box: NDArray[np.float32], window: Window
) -> RoiMask | None:
    """Return a mask in px of the image, from its pixels in the window or the cells of its box."""
    threshold = session.record.mask_threshold
    if threshold is None:
        return RoiMask.cut(mask > 0, window.left_px, window.top_px)
    size = (window.height_px, window.width_px)
    left_px, top_px = window.left_px, window.top_px
    return paste_mask(mask, box, size, threshold=threshold, left_px=left_px, top_px=top_px)


def _check(
    session: Session,
    boxes: NDArray[Any],
    scores: NDArray[Any],
    labels: NDArray[Any],
    masks: Sequence[NDArray[Any]],
    shape: tuple[int, ...],
) -> None:
    count, classes = len(scores), len(session.record.classes)
    fault = None
    if boxes.shape != (count, 4) or labels.shape != (count,):
        fault = f"{count} scores, boxes of shape {list(boxes.shape)} and {len(labels)} labels"
    elif masks and (masks[0].dtype != np.uint8) != (session.record.mask_threshold is not None):
        fault = f"masks of {masks[0].dtype} and the mask_threshold {session.record.mask_threshold}"
    elif masks and masks[0].dtype != np.uint8 and len(masks[0]) != count:
        fault = f"masks of shape {list(masks[0].shape)} for {count} instances"
    elif masks and masks[0].dtype == np.uint8 and masks[0].shape != (count, *shape[:2]):
        fault = f"masks of shape {list(masks[0].shape)} for {count} instances in {list(shape[:2])}"
    elif not np.isfinite(boxes).all() or not np.isfinite(scores).all():
        fault = "a box or a score that is not finite"
    elif not ((labels >= 0) & (labels < classes)).all():
        fault = f"ids from {labels.min()} to {labels.max()} for {classes} classes"
    if fault is not None:
        message = f"cannot use the model's instances: found {fault}."
        raise ModelError(message, path=session.path, hint="export the model again.")
