# SPDX-License-Identifier: Apache-2.0
"""The label map of one image, at the image's own resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import count_labels
from zoo.engine.prediction.forward import predict_sample
from zoo.engine.prediction.results import SemanticResult
from zoo.engine.scenes.opening import find_georeference
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.cleaning.postprocess import Postprocess
    from zoo.engine.prediction.image_reader import ImageReader
    from zoo.engine.prediction.model import LoadedModel

__all__ = ["IGNORE_ID", "predict_labels", "predict_probabilities"]

IGNORE_ID = 255


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
