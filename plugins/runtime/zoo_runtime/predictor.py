# SPDX-License-Identifier: Apache-2.0
"""A model in one file that is called with an image and returns a typed result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_runtime.copied.cleaning.postprocess import Postprocess, parse_postprocess
from zoo_runtime.copied.decoders.opencv import load_cv2
from zoo_runtime.copied.pictures.arrays import as_picture
from zoo_runtime.copied.pictures.given import describe, take_image
from zoo_runtime.copied.pictures.picture import Picture
from zoo_runtime.copied.pictures.pixels import count_labels
from zoo_runtime.copied.scenes.windows import Tiling
from zoo_runtime.decoding import read_picture
from zoo_runtime.errors import ConfigError
from zoo_runtime.model_record import Licence, ModelRecord, as_tiling, fits_tiling
from zoo_runtime.results import InstanceResult, SemanticResult
from zoo_runtime.session import open_session

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray

    GivenImage = str | os.PathLike[str] | NDArray[Any] | bytes | BinaryIO

__all__ = ["SCORE_THR", "Predictor"]

SCORE_THR = 0.5


class Predictor:
    """Predicts one image at a time with a file that ``zoo export --to onnx`` wrote.

    The file is checked before anything in it runs, and nothing beside it is read. The object may
    be used by several threads at once.

    Args:
        model: Path of the file.
        threads: With how many threads it computes; None for as many CPUs as this process may use.
        engine: What runs the graph: ``"onnxruntime"``, or ``"openvino"`` if it is installed.
        score_thr: Least score of an instance model's results, in ``[0, 1]``.
        tiling: Side and overlap of windows in px instead of the file's, ``(512, 128)``; None for
            whole images.
        postprocess: Postprocessing of a semantic model instead of the file's, for example
            ``{"keep_largest": {"lung": 2}, "fill_holes": ["lung"]}``; None for the network's own
            labels.

    Raises:
        ModelError: It is no such file, was changed, or cannot be run here.
        ConfigError: An option is out of range, or the engine is not installed.

    Example:
        ``Predictor("unet.onnx")("chest.png").areas_px["lung"]``
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        threads: int | None = None,
        engine: str = "onnxruntime",
        score_thr: float = SCORE_THR,
        tiling: tuple[int, int] | Literal["model"] | None = "model",
        postprocess: Mapping[str, Any] | Literal["model"] | None = "model",
    ) -> None:
        if not isinstance(score_thr, (int, float, np.number)) or not 0 <= score_thr <= 1:
            message = f"cannot filter instances by the score {describe(score_thr)}: expected 0..1."
            raise ConfigError(message, where="score_thr", hint="use for example 0.5.")
        self._session = open_session(_as_path(model), threads=threads, engine=engine)
        load_cv2().setNumThreads(self._session.threads)
        record = self._session.record
        self.score_thr = float(score_thr)
        self.tiling: Tiling | None = record.tiling if tiling == "model" else _as_tiling(tiling)
        stated = record.postprocess if postprocess == "model" else postprocess
        self.postprocess: Postprocess = parse_postprocess(
            stated, record.classes, task=record.task, where="postprocess"
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._session.path

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return self._session.sha256

    @property
    def record(self) -> ModelRecord:
        """What the file says of its model."""
        return self._session.record

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """How far the file departs from the model that it was made of, or None if unknown."""
        return self._session.certificate

    @property
    def task(self) -> str:
        """``semantic`` or ``instance``."""
        return self.record.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each id."""
        return self.record.classes

    @property
    def licence(self) -> Licence | None:
        """The terms of weights and data, or None."""
        return self.record.licence

    @property
    def threads(self) -> int:
        """With how many threads it computes."""
        return self._session.threads

    def __call__(
        self, image: GivenImage, *, probabilities: bool = False
    ) -> SemanticResult | InstanceResult:
        """Predict one image.

        Args:
            image: A path; an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, uint8 or uint16; the
                bytes of an image file, or such a file opened to read bytes; a tensor of torch or
                an image of PIL, if the caller has them.
            probabilities: Whether a semantic result has those of each class.

        Raises:
            DataError: The image cannot be read, or the model fails on it.
            ModelError: The model returns no result of its task, or classes that it does not name.
            ConfigError: Probabilities are asked of an instance model.
        """
        if probabilities and self.task != "semantic":
            message = f"cannot return probabilities of {self.record.name!r}: it finds instances."
            raise ConfigError(message, where="probabilities", hint="its scores are in the result.")
        picture, where = _as_picture(image)
        shown = picture.to_uint8()
        is_deep = self._session.dtype == np.uint16
        pixels: NDArray[Any] = picture.pixels.astype(np.uint16) if is_deep else shown
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        pixels = np.ascontiguousarray(pixels)
        if self.task == "semantic":
            return self._predict_labels(pixels, shown, where, probabilities)
        from zoo_runtime.instances import predict_instances

        return predict_instances(
            self._session,
            pixels,
            shown,
            tiling=self.tiling,
            score_thr=self.score_thr,
            where=where,
        )

    def _predict_labels(
        self, pixels: NDArray[Any], shown: NDArray[np.uint8], where: str, probabilities: bool
    ) -> SemanticResult:
        from zoo_runtime.labels import predict_labels

        record = self.record
        labels, chances = predict_labels(
            self._session,
            pixels,
            tiling=self.tiling,
            with_probabilities=probabilities,
            where=where,
        )
        labels = self.postprocess.apply(labels, record.classes)
        counts = count_labels(labels)
        return SemanticResult(
            labels=labels,
            classes=record.classes,
            palette=record.palette,
            areas_px={name: int(counts[index]) for index, name in enumerate(record.classes)},
            shown=shown,
            notice=record.notice,
            probabilities=chances,
        )


def _as_path(model: object) -> str:
    path = os.fspath(model) if isinstance(model, os.PathLike) else model
    if isinstance(path, str) and path and "\0" not in path:
        return path
    message = f"cannot open the model {describe(model)}: expected the path of a file."
    raise ConfigError(message, where="model", hint="give the path of an .onnx file.")


def _as_tiling(stated: Any) -> Tiling | None:
    if stated is None:
        return None
    sides = tuple(stated) if isinstance(stated, (tuple, list)) else ()
    is_whole = len(sides) == 2 and all(type(side) is int for side in sides)
    if is_whole and fits_tiling(*sides):
        return as_tiling(*sides)
    message = f"cannot cut images into windows {stated!r:.60}: expected a side from 32 px and an "
    message += "overlap of at most three quarters of it."
    raise ConfigError(message, where="tiling", hint="use for example (512, 128).")


def _as_picture(image: Any) -> tuple[Picture, str]:
    """Return what was given as a picture, and its name in messages."""
    taken, _ = take_image(image)
    if isinstance(taken, str):
        return read_picture(taken), taken
    where = "an array" if isinstance(image, np.ndarray) else "a picture"
    return Picture(as_picture(taken)), where
