# SPDX-License-Identifier: Apache-2.0
"""Instances of one image or scene: predicted window by window, then merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zoo.data import Tiling, Window, tile_windows
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.prediction.forward import predict_sample
from zoo.engine.prediction.results import InstanceResult
from zoo.engine.scenes.merging import Detection, merge_windows
from zoo.engine.scenes.pasting import paste_mask
from zoo.engine.scenes.roi_mask import RoiMask
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.prediction.image_reader import ImageReader
    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.scenes.scene import Scene
    from zoo.interfaces import ExportedInstances, ExportedModel

__all__ = ["predict_exported", "predict_image", "predict_scene"]

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def predict_scene(
    model: LoadedModel,
    reader: ImageReader,
    scene: Scene,
    *,
    tiling: Tiling | None,
    score_thr: float,
    where: str,
) -> InstanceResult:
    """Return the instances of a scene, predicted in overlapping windows.

    Memory grows with the window and the number of instances, not with the scene: each mask is
    stored in its bounding box. Windows without data are skipped.

    Args:
        model: A model of the task ``instance``.
        reader: The reader of the model's config.
        scene: An open scene.
        tiling: How the scene is cut into windows; None to predict it as a whole.
        score_thr: Least score of an instance, in ``[0, 1]``.
        where: The image, for messages.

    Raises:
        DataError: The scene cannot be read, or the model fails on it.
        ConfigError: The model returns no instances, or classes that it does not name.
    """

    def look(pixels: NDArray[Any], window: Window) -> _Seen:
        read = reader.read(pixels, where=where)
        sample = predict_sample(model, read.batch, where)
        found = list(_detections(model, sample, window, _least(score_thr)))
        return _Seen(found, "masks" in sample.pred_instances, read.meta)

    return _scan(model, scene, look, tiling=tiling, score_thr=score_thr)


def predict_exported(
    model: LoadedModel, scene: Scene, *, tiling: Tiling | None, score_thr: float
) -> InstanceResult:
    """Return the instances that an exported file finds in a scene, in overlapping windows.

    Args:
        model: A model with an export, of the task ``instance``.
        scene: An open scene.
        tiling: How the scene is cut into windows; None to predict it as a whole.
        score_thr: Least score of an instance, in ``[0, 1]``.

    Raises:
        DataError: The scene cannot be read.
        ConfigError: The file returns boxes that are not finite, or classes that it does not name.
        ZooError: What the runner raises.
    """
    run = cast("ExportedModel", model.export)

    def look(pixels: NDArray[Any], window: Window) -> _Seen:
        with naming_plugin():
            found: ExportedInstances = run(pixels)
        detections = list(_exported(model, found, window, _least(score_thr)))
        return _Seen(detections, found.masks is not None, {})

    return _scan(model, scene, look, tiling=tiling, score_thr=score_thr)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What was found in a window: in px of the scene, whether with masks, and its meta values."""

    detections: Sequence[Detection]
    gives_masks: bool
    meta: dict[str, Any]


def _scan(
    model: LoadedModel,
    scene: Scene,
    look: Callable[[NDArray[Any], Window], _Seen],
    *,
    tiling: Tiling | None,
    score_thr: float,
) -> InstanceResult:
    """Return what was found in the windows of a scene that have data, merged."""
    width_px, height_px = scene.width_px, scene.height_px
    whole = [Window(0, 0, width_px, height_px)]
    windows = whole if tiling is None else tile_windows(width_px, height_px, tiling)
    found: list[tuple[Window, Sequence[Detection]]] = []
    gives_masks: list[bool] = []
    meta: dict[str, Any] = {}
    for window in windows:
        pixels = scene.read(window)
        if pixels is None:
            continue
        seen = look(pixels, window)
        meta = meta or seen.meta
        found.append((window, seen.detections))
        gives_masks.append(seen.gives_masks)
    detections = merge_windows(found, width_px, height_px)
    return _result(
        model,
        detections,
        gives_masks=any(gives_masks) or not gives_masks,
        score_thr=score_thr,
        shape=(height_px, width_px),
        windows=len(found),
        meta=meta,
        shown=scene.shown(),
        georeference=scene.georeference,
    )


def predict_image(
    model: LoadedModel, reader: ImageReader, image: Any, *, score_thr: float, where: str
) -> InstanceResult:
    """Return the instances of an image that the config's own loading transform reads whole.

    Args:
        model: A model of the task ``instance``.
        reader: The reader of the model's config.
        image: A path or an array, as that transform takes it.
        score_thr: Least score of an instance, in ``[0, 1]``.
        where: The image, for messages.

    Raises:
        DataError: The image cannot be read, or the model fails on it.
        ConfigError: The model returns no instances, or classes that it does not name.
    """
    read = reader.read(image)
    height_px, width_px = read.batch["data_samples"][0].metainfo["ori_shape"][:2]
    sample = predict_sample(model, read.batch, where)
    window = Window(0, 0, int(width_px), int(height_px))
    detections = sorted(
        _detections(model, sample, window, _least(score_thr)), key=lambda one: -one.score
    )
    return _result(
        model,
        detections,
        gives_masks="masks" in sample.pred_instances,
        score_thr=score_thr,
        shape=(int(height_px), int(width_px)),
        windows=1,
        meta=read.meta,
        shown=read.shown,
    )


def _least(score_thr: float) -> float:
    """Return the least score that a result needs, including for its counts."""
    return min(score_thr, THRESHOLDS[0])


def _detections(
    model: LoadedModel, sample: Any, window: Window, least: float
) -> Iterator[Detection]:
    """Yield what a model found in a window, in px of the scene."""
    if "pred_instances" not in sample:
        message = "cannot use the model's result: it holds no instances (pred_instances)."
        hint = "use a detector or an instance model of mmdet."
        raise ConfigError(message, where=model.name, hint=hint)
    found = sample.pred_instances
    found = found[found.scores >= least].cpu()
    masks = found.masks.numpy() if "masks" in found else None
    _check(model, found.bboxes.numpy(), found.labels.numpy(), masks, window)
    offset = np.tile([window.left_px, window.top_px], 2)
    boxes = (found.bboxes.numpy() + offset).tolist()
    for index, (box, score, label) in enumerate(
        zip(boxes, found.scores.tolist(), found.labels.tolist(), strict=True)
    ):
        mask = None
        if masks is not None:
            mask = RoiMask.cut(masks[index], window.left_px, window.top_px)
            if mask is None:
                continue  # the mask of this box is empty
            if box[0] >= box[2] or box[1] >= box[3]:
                box = mask.box  # SOLO returns masks, and boxes of zeros
        yield Detection((box[0], box[1], box[2], box[3]), score, label, mask)


def _exported(
    model: LoadedModel, found: ExportedInstances, window: Window, least: float
) -> Iterator[Detection]:
    """Yield what an exported file found in a window, in px of the scene."""
    boxes, scores, labels = (np.asarray(one) for one in (found.boxes, found.scores, found.labels))
    _check_arrays(model, boxes, scores, labels, found.masks)
    _check(model, boxes, labels, None, window)
    offset = np.tile([window.left_px, window.top_px], 2)
    for index in np.flatnonzero(scores >= least).tolist():
        mask = None
        if found.masks is not None:
            mask = paste_mask(
                found.masks[index],
                boxes[index],
                (window.height_px, window.width_px),
                threshold=found.mask_threshold,
                left_px=window.left_px,
                top_px=window.top_px,
            )
            if mask is None:
                continue  # the mask of this box is empty
        x0, y0, x1, y1 = (boxes[index] + offset).tolist()
        if mask is not None and (x0 >= x1 or y0 >= y1):
            x0, y0, x1, y1 = mask.box  # as of the model itself
        yield Detection((x0, y0, x1, y1), float(scores[index]), int(labels[index]), mask)


def _check_arrays(
    model: LoadedModel,
    boxes: NDArray[Any],
    scores: NDArray[Any],
    labels: NDArray[Any],
    masks: NDArray[Any] | None,
) -> None:
    """Refuse what is no list of instances: anyone may have made the file."""
    given = {"boxes": (boxes, "f", 2), "scores": (scores, "f", 1), "labels": (labels, "iu", 1)}
    if masks is not None:
        given["masks"] = (masks, "f", 3)
    are_right = all(
        one.dtype.kind in kinds and one.ndim == rank for one, kinds, rank in given.values()
    )
    lengths = {one.shape[:1] for one, _, _ in given.values()}
    if not are_right or len(lengths) > 1 or boxes.shape[1] != 4 or not np.isfinite(scores).all():
        told = ", ".join(f"{name} {one.dtype} {one.shape}" for name, (one, _, _) in given.items())
        message = f"cannot use the model's instances: found {told}; expected as many boxes of four "
        message += "sides, finite scores, ids of classes and masks."
        raise ConfigError(message, where=model.name, hint="export the model again.")


def _check(
    model: LoadedModel,
    boxes: NDArray[Any],
    labels: NDArray[Any],
    masks: NDArray[Any] | None,
    window: Window,
) -> None:
    known = (labels >= 0) & (labels < len(model.classes))
    if not known.all():
        message = (
            f"cannot use the model's instances: one is of class {labels[~known][0]}, "
            f"the model has {len(model.classes)} classes."
        )
        raise ConfigError(message, where=model.name)
    if not np.isfinite(boxes).all():
        message = "cannot use the model's boxes: one is not finite, expected numbers."
        hint = "use weights from before its training diverged."
        raise ConfigError(message, where=model.name, hint=hint)
    size = (window.height_px, window.width_px)
    if masks is not None and masks.shape[1:] != size:
        message = (
            f"cannot use the model's masks: they are {masks.shape[2]}x{masks.shape[1]} pixels, "
            f"the image {size[1]}x{size[0]}, expected equal sizes."
        )
        raise ConfigError(message, where=model.name)


def _result(
    model: LoadedModel,
    detections: Sequence[Detection],
    *,
    gives_masks: bool,
    score_thr: float,
    shape: tuple[int, int],
    windows: int,
    meta: dict[str, Any],
    shown: NDArray[np.uint8],
    georeference: Any = None,
) -> InstanceResult:
    scores = np.array([one.score for one in detections], np.float32)
    kept = [one for one, is_kept in zip(detections, scores >= score_thr, strict=True) if is_kept]
    masks = [one.mask for one in kept if one.mask is not None]
    return InstanceResult(
        boxes=np.array([one.box for one in kept], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in kept], np.float32),
        class_ids=np.array([one.class_id for one in kept], np.int64),
        masks=tuple(masks) if gives_masks and len(masks) == len(kept) else None,
        classes=model.classes,
        palette=model.palette,
        counts_at={thr: int((scores >= thr).sum()) for thr in THRESHOLDS},
        score_thr=score_thr,
        height_px=shape[0],
        width_px=shape[1],
        windows=windows,
        meta=meta,
        shown=shown,
        georeference=georeference,
        notice=model.notice,
    )
