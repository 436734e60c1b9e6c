# SPDX-License-Identifier: Apache-2.0
"""The label map of one image or scene, at its own resolution: as a whole, or window by window."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import Tiling, Window, count_labels
from zoo.engine.prediction.forward import predict_sample
from zoo.engine.prediction.results import SemanticResult
from zoo.engine.scenes import label_rows
from zoo.engine.scenes.blending import NO_LABEL, blend_windows
from zoo.engine.scenes.label_journal import KeptAt, LabelJournal
from zoo.engine.scenes.label_rows import LabelRows, release
from zoo.engine.scenes.opening import find_georeference
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.cleaning.postprocess import Postprocess
    from zoo.engine.prediction.image_reader import ImageReader
    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.scenes.scene import Scene

    Scores = tuple[NDArray[np.float32], dict[str, Any]]

__all__ = [
    "IGNORE_ID",
    "label_scene",
    "predict_label_scene",
    "predict_labels",
    "predict_probabilities",
]

IGNORE_ID = 255
_MOST_CLEANED_PX = 2**27  # connected parts take four bytes a pixel more
_LEAST_SHARE = 1e-7  # of a probability whose logit is finite


def predict_labels(
    model: LoadedModel,
    reader: ImageReader,
    image: Any,
    *,
    where: str,
    postprocess: Postprocess | None = None,
) -> SemanticResult:
    """Return the labels of an image.

    Args:
        model: A model of the task ``semantic``.
        reader: The reader of the model's config.
        image: A path or an array, as the reader takes it.
        where: The image, for messages.
        postprocess: Postprocessing of the labels.

    Raises:
        DataError: The image cannot be read, or the model fails on it.
        ConfigError: The model returns no label map at the image's resolution, or ids without a
            class.
    """
    read = reader.read(image)
    labels = _labels(model, read.batch, where)
    if postprocess is not None:
        labels = postprocess.apply(labels, model.classes)
    counts = count_labels(labels)
    areas = {name: int(counts[index]) for index, name in enumerate(model.classes)}
    return SemanticResult(
        labels=labels,
        classes=model.classes,
        palette=model.palette,
        areas_px=areas,
        meta=read.meta,
        shown=read.shown,
        # A plugin's own transform may load something else than the pixels of the file.
        georeference=find_georeference(image) if reader.takes_pixels else None,
        notice=model.notice,
    )


def predict_probabilities(
    model: LoadedModel, reader: ImageReader, image: Any, *, where: str
) -> NDArray[np.float32]:
    """Return how probable each class is at each pixel of an image.

    Args:
        model: A model of the task ``semantic``.
        reader: The reader of the model's config.
        image: A path or an array, as the reader takes it.
        where: The image, for messages.

    Returns:
        ``(C, H, W)``, summing to 1 over the classes.

    Raises:
        DataError: The image cannot be read, or the model fails on it.
        ConfigError: The model returns no scores.
    """
    import torch

    sample = predict_sample(model, reader.read(image).batch, where)
    if "seg_logits" not in sample:
        message = "cannot use the model's result: it holds no scores (seg_logits)."
        raise ConfigError(message, where=model.name)
    scores = sample.seg_logits.data.float()
    # mmseg has already put a single map through a sigmoid.
    pair = [1 - scores, scores]
    shares = torch.cat(pair) if len(scores) == 1 else scores.softmax(dim=0)
    return np.ascontiguousarray(shares.cpu().numpy(), np.float32)


def predict_label_scene(
    model: LoadedModel,
    reader: ImageReader,
    scene: Scene,
    *,
    tiling: Tiling,
    where: str,
    postprocess: Postprocess | None = None,
    kept: KeptAt | None = None,
) -> SemanticResult:
    """Return the labels of a scene, from the blended scores of overlapping windows.

    Args:
        model: A model of the task ``semantic``.
        reader: The reader of the model's config.
        scene: An open scene.
        tiling: How the scene is cut into windows.
        where: The image, for messages.
        postprocess: Postprocessing of the labels.
        kept: Where finished rows of a large scene are kept, to continue from; None to begin anew.

    Raises:
        DataError: The scene cannot be read, the model fails on it, or it is too large for the
            postprocessing.
        ConfigError: The model returns no scores at the window's resolution.
    """

    def look(pixels: NDArray[Any]) -> Scores:
        read = reader.read(pixels, where=where)
        return _logits(model, predict_sample(model, read.batch, where)), read.meta

    return label_scene(
        model,
        scene,
        look,
        tiling=tiling,
        threshold=_threshold(model),
        where=where,
        postprocess=postprocess,
        kept=kept,
    )


def label_scene(
    model: LoadedModel,
    scene: Scene,
    look: Callable[[NDArray[Any]], Scores],
    *,
    tiling: Tiling,
    threshold: float | None,
    where: str,
    postprocess: Postprocess | None = None,
    kept: KeptAt | None = None,
) -> SemanticResult:
    """Return the labels of a scene by a function that scores the pixels of a window.

    Memory grows with the window and the width of the scene: labels are written from the top as
    soon as no later window shows their rows. Windows without data are skipped, and pixels without
    data have the label 255.

    Args:
        model: What the result says of the model.
        scene: An open scene.
        look: Returns ``(C, h, w)`` scores of the pixels of a window, and its meta values.
        tiling: How the scene is cut into windows.
        threshold: As `zoo.engine.scenes.blending.Band.labels` takes it.
        where: The image, for messages.
        postprocess: Postprocessing of the labels.
        kept: Where finished rows of a large scene are kept, to continue from; None to begin anew.

    Raises:
        DataError: The scene is too large for the postprocessing, or its labels cannot be kept.
        ConfigError: The scores have another shape than the window.
    """
    width_px, height_px = scene.width_px, scene.height_px
    if postprocess and width_px * height_px > _MOST_CLEANED_PX:
        message = f"cannot clean the labels of {where!r}: it has {width_px}x{height_px} px, "
        message += f"expected at most {_MOST_CLEANED_PX:,} pixels."
        raise DataError(message, path=where, hint="use --no-postprocess, or cut out a part.")
    journal = None
    if kept is not None and width_px * height_px > label_rows.MOST_HELD_PX:
        journal = LabelJournal(kept.path, kept.key(), width_px, height_px)
    with nullcontext() if journal is None else closing(journal):
        done = LabelRows(width_px, height_px, journal)
        _fill(model, scene, look, done, tiling=tiling, threshold=threshold)
    labels, counts = done.whole(), done.counts
    if postprocess:
        labels = postprocess.apply(np.asarray(labels), model.classes)
        counts = count_labels(labels)
    release(labels)
    return SemanticResult(
        labels=labels,
        classes=model.classes,
        palette=model.palette,
        areas_px={name: int(counts[index]) for index, name in enumerate(model.classes)},
        meta=done.facts["meta"],
        shown=scene.shown(),
        notice=model.notice,
        georeference=scene.georeference,
        windows=done.facts["windows"],
    )


def _fill(
    model: LoadedModel,
    scene: Scene,
    look: Callable[[NDArray[Any]], Scores],
    done: LabelRows,
    *,
    tiling: Tiling,
    threshold: float | None,
) -> None:
    """Put the rows of a scene that are not finished yet."""
    width_px, height_px = scene.width_px, scene.height_px
    if done.next_px == height_px:
        return
    first_px, windows = done.next_px, done.facts.get("windows", 0)
    meta: dict[str, Any] = dict(done.facts.get("meta", {}))

    def look_at(window: Window) -> NDArray[np.float32] | None:
        pixels = scene.read(window)
        if pixels is None:
            return None
        scores, stated = look(pixels)
        if scores.shape[1:] != pixels.shape[:2]:
            message = f"cannot use the model's scores: they are {scores.shape[2]}x"
            message += f"{scores.shape[1]} pixels, the window {window.width_px}x"
            message += f"{window.height_px}, expected equal sizes."
            raise ConfigError(message, where=model.name)
        nonlocal windows, meta
        windows += window.top_px >= first_px  # those above were counted with their rows
        meta = meta or stated
        return scores

    for band in blend_windows(width_px, height_px, tiling, look_at, first_px=first_px):
        rows = band.labels(threshold)
        missing = scene.missing(Window(0, band.top_px, width_px, len(rows)))
        if missing is not None:
            rows[missing] = NO_LABEL
        done.put(rows, {"windows": windows, "meta": meta})


def _logits(model: LoadedModel, sample: Any) -> NDArray[np.float32]:
    """Return the scores of a window, ``(C, h, w)``, of which the mean makes sense."""
    if "seg_logits" not in sample:
        message = "cannot blend windows: the model's result holds no scores (seg_logits)."
        raise ConfigError(message, where=model.name, hint="use --tile-size 0.")
    scores = sample.seg_logits.data.float()
    if len(scores) not in {1, len(model.classes)}:
        message = f"cannot use the model's scores: there are {len(scores)} maps, "
        message += f"the model has {len(model.classes)} classes."
        raise ConfigError(message, where=model.name)
    if len(scores) == 1:  # mmseg has put it through a sigmoid
        scores = scores.logit(eps=_LEAST_SHARE)
    return np.ascontiguousarray(scores.cpu().numpy(), np.float32)


def _threshold(model: LoadedModel) -> float | None:
    """Return above which probability a pixel is of the second class; None of several maps."""
    head: Any = getattr(model.module, "decode_head", None)
    return float(head.threshold) if getattr(head, "out_channels", None) == 1 else None


def _labels(model: LoadedModel, batch: dict[str, list[Any]], where: str) -> NDArray[np.uint8]:
    shape = tuple(batch["data_samples"][0].metainfo["ori_shape"][:2])
    sample = predict_sample(model, batch, where)
    if "pred_sem_seg" not in sample:
        message = "cannot use the model's result: it holds no label map (pred_sem_seg)."
        raise ConfigError(message, where=model.name)
    ids = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
    if ids.shape != shape:
        message = (
            f"cannot use the model's label map: it is {ids.shape[1]}x{ids.shape[0]} pixels, "
            f"the image {shape[1]}x{shape[0]}, expected equal sizes."
        )
        raise ConfigError(message, where=model.name)
    known = ((ids >= 0) & (ids < len(model.classes))) | (ids == IGNORE_ID)
    if not known.all():
        message = (
            f"cannot use the model's label map: it holds id {ids[~known][0]:g}, "
            f"the model has {len(model.classes)} classes."
        )
        raise ConfigError(message, where=model.name)
    return np.ascontiguousarray(ids, np.uint8)
