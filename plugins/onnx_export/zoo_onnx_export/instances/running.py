# SPDX-License-Identifier: Apache-2.0
"""What the graph of an instance model finds in an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zoo
from zoo.data import Tiling, to_uint8
from zoo_onnx_export.instances.results import BOXES, LABELS, MASKS, SCORES
from zoo_onnx_export.running import Session

__all__ = ["Found", "exported_predictor", "find_instances", "instance_calls"]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Objects in an image: ``zoo.interfaces.ExportedInstances``."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.float32]
    mask_threshold: float


def find_instances(session: Session, image: NDArray[Any], mask_threshold: float) -> Found:
    """Return what a graph finds in an image.

    Args:
        session: The graph.
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, 8 or 16 bit.
        mask_threshold: The least probability of a pixel of a mask.

    Raises:
        FileError: The graph fails on it.
    """
    pixels = to_uint8(image)
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    boxes, scores, labels, masks = session(pixels[None], (BOXES, SCORES, LABELS, MASKS))
    return Found(boxes, scores, labels, masks, mask_threshold)


@dataclass(frozen=True, slots=True, eq=False)
class _InMemory:
    """A graph as ``zoo.interfaces.ExportedModel``, as far as prediction needs it."""

    call: Callable[[Any], Found]

    def __call__(self, image: Any) -> Found:
        return self.call(image)


def exported_predictor(
    model: zoo.Predictor, session: Session, *, tiling: Tiling | None
) -> zoo.Predictor[zoo.InstanceResult]:
    """Return a predictor that runs a graph in place of a model, through the same windows.

    Args:
        model: The original.
        session: Its graph.
        tiling: Windows; None for whole images.
    """
    threshold = float(model.model.module.roi_head.test_cfg.mask_thr_binary)
    run: Any = _InMemory(lambda image: find_instances(session, image, threshold))
    return zoo.Predictor(replace(model.model, export=run), score_thr=0.0, tiling=tiling)


def instance_calls(
    model: zoo.Predictor, session: Session, pixels: NDArray[np.uint8]
) -> dict[str, Callable[[], object]]:
    """Return how both sides are called on an image, through the windows of the model.

    Args:
        model: The original.
        session: Its graph.
        pixels: ``(H, W, 3)`` RGB.
    """
    exported = exported_predictor(model, session, tiling=model.tiling)
    original = zoo.Predictor(model.model, score_thr=0.0, tiling=model.tiling)
    return {"original": lambda: original(pixels), "exported": lambda: exported(pixels)}
