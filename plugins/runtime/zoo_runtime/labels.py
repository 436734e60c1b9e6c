# SPDX-License-Identifier: Apache-2.0
"""The label map of one image: from the graph as a whole, or through overlapping windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.copied.scenes.blending import blend_windows
from zoo_runtime.copied.scenes.windows import Tiling, Window
from zoo_runtime.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_runtime.session import Session

    Found = tuple[NDArray[np.uint8], NDArray[np.float32] | None]

__all__ = ["IGNORE_ID", "predict_labels"]

IGNORE_ID = 255


def predict_labels(
    session: Session,
    image: NDArray[Any],
    *,
    tiling: Tiling | None,
    with_probabilities: bool,
    where: str,
) -> Found:
    """Return the labels of an image, and the probabilities if they are asked for.

    Through windows, the logarithms of probabilities are blended as zoo blends logits. The label of
    a pixel is the most probable class, or the second of two classes above the file's threshold.
    Memory grows with the classes, the width of the image and the side of a window, not with the
    height.

    Args:
        session: A file of the task ``semantic``.
        image: ``(H, W, 3)`` RGB of the type of its input.
        tiling: Windows; None for the whole image.
        with_probabilities: Whether to return them.
        where: The image, for messages.

    Raises:
        DataError: The model fails on it.
        ModelError: It returns outputs of another shape, or ids without a class.
    """
    height_px, width_px = image.shape[:2]
    if tiling is not None and max(height_px, width_px) > tiling.tile_px:
        return _through_windows(
            session, image, tiling, with_probabilities=with_probabilities, where=where
        )
    names = ["labels", "probabilities"] if with_probabilities else ["labels"]
    labels, *others = session.run(image, names, where)
    if labels.shape != (1, height_px, width_px):
        raise _misshaped(session, "labels", labels.shape, (1, height_px, width_px))
    _check_ids(session, labels)
    chances = _checked(session, others[0], image) if others else None
    return np.ascontiguousarray(labels[0]), chances


def _through_windows(
    session: Session,
    image: NDArray[Any],
    tiling: Tiling,
    *,
    with_probabilities: bool,
    where: str,
) -> Found:
    height_px, width_px = image.shape[:2]
    count = len(session.record.classes)
    labels = np.empty((height_px, width_px), np.uint8)
    kept = np.empty((count, height_px, width_px), np.float32) if with_probabilities else None

    def look(window: Window) -> NDArray[np.float32]:
        left, top, right, bottom = (int(side) for side in window.box)
        part = np.ascontiguousarray(image[top:bottom, left:right])
        (found,) = session.run(part, ["probabilities"], where)
        shares = np.maximum(_checked(session, found, part), np.finfo(np.float32).tiny)
        scores: NDArray[np.float32] = np.log(shares)
        return scores

    for band in blend_windows(width_px, height_px, tiling, look):
        rows = slice(band.top_px, band.bottom_px)
        labels[rows] = band.labels(session.record.threshold)
        if kept is not None:
            shares = np.exp(band.means())
            kept[:, rows] = shares / shares.sum(axis=0)
    return labels, kept


def _checked(session: Session, found: NDArray[Any], image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the probabilities of one image; refuse those of another shape."""
    expected = (1, len(session.record.classes), *image.shape[:2])
    if found.shape != expected:
        raise _misshaped(session, "probabilities", found.shape, expected)
    chances: NDArray[np.float32] = found[0]
    return chances


def _check_ids(session: Session, labels: NDArray[np.uint8]) -> None:
    count = len(session.record.classes)
    known = (labels < count) | (labels == IGNORE_ID)
    if not known.all():
        message = f"cannot use the model's label map: it holds id {labels[~known][0]}, "
        message += f"the model has {count} classes."
        raise ModelError(message, path=session.path, hint="export the model again.")


def _misshaped(
    session: Session, name: str, found: tuple[int, ...], wanted: tuple[int, ...]
) -> ModelError:
    message = f"cannot use the model's output {name!r}: its shape is {list(found)}, "
    message += f"expected {list(wanted)}."
    return ModelError(message, path=session.path, hint="export the model again.")
