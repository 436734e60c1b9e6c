# SPDX-License-Identifier: Apache-2.0
"""A model that is called with an image and returns a typed result."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, overload

import numpy as np

from zoo.data import Tiling
from zoo.engine.cleaning.postprocess import Postprocess, parse_postprocess
from zoo.engine.prediction.export_labels import predict_export, predict_export_scene
from zoo.engine.prediction.exports import ExportReader
from zoo.engine.prediction.given import describe, take_image
from zoo.engine.prediction.image_reader import ImageReader
from zoo.engine.prediction.instances import predict_exported, predict_image, predict_scene
from zoo.engine.prediction.model import LoadedModel, open_model
from zoo.engine.prediction.model_files import Licence, find_model_files
from zoo.engine.prediction.results import InstanceResult, SemanticResult
from zoo.engine.prediction.semantic import (
    predict_label_scene,
    predict_labels,
    predict_probabilities,
)
from zoo.engine.records.budget import current_budget
from zoo.engine.scenes.label_journal import KeptAt
from zoo.engine.scenes.opening import open_scene
from zoo.engine.scenes.scene import Scene
from zoo.engine.scenes.tiling import check_tiling, find_tiling
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor
    from typing_extensions import TypeVar  # only type checkers need it

    AnyResult = SemanticResult | InstanceResult
    # The default: a bare ``Predictor`` is one of unknown task.
    Result = TypeVar("Result", bound=AnyResult, default=AnyResult, covariant=True)
    GivenImage = str | os.PathLike[str] | NDArray[Any] | Tensor | Image | bytes | BinaryIO

else:
    from typing import TypeVar

    Result = TypeVar("Result", covariant=True)

__all__ = ["SCORE_THR", "Predictor", "load"]

SCORE_THR = 0.5


class Predictor(Generic[Result]):
    """Predicts one image at a time.

    A ``Predictor[SemanticResult]`` returns labels, a ``Predictor[InstanceResult]`` instances, and a
    bare ``Predictor`` either; ``result.task`` says which.

    A scene is processed in overlapping windows if the model's config states
    ``tiling = dict(tile_px=512, overlap_px=128)``, in px of the image; else as a whole. The
    overlap should be as large as the objects. Label maps are decided by the blended scores of the
    windows that show a pixel; those of more than 2**24 pixels are a mapped temporary file.

    Args:
        model: An opened model, or what `zoo.engine.prediction.model.open_model` takes.
        device: The device for a model that is not open yet.
        score_thr: Least score of an instance model's results, in ``[0, 1]``.
        tiling: Windows instead of the config's; None for whole images.
        bands: The bands of a raster that are red, green and blue, counted from 1, if it does not
            name them: ``(3, 2, 1)`` for blue, green, red and infrared.
        postprocess: Postprocessing of a semantic model instead of the config's or the record's, for
            example ``{"keep_largest": {"lung": 2}, "fill_holes": ["lung"]}``; None for the
            network's own labels.

    Raises:
        ConfigError: The threshold or the config's tiling is out of range, or ``tiling`` is given
            for a model whose own transform loads the image.

    Example:
        ``Predictor("work_dirs/unet")("x.png").areas_px["lung"]``
    """

    def __init__(
        self,
        model: LoadedModel | str | os.PathLike[str],
        *,
        device: str = "auto",
        score_thr: float = SCORE_THR,
        tiling: Tiling | Literal["config"] | None = "config",
        bands: tuple[int, int, int] | None = None,
        postprocess: Mapping[str, Any] | Literal["config"] | None = "config",
    ) -> None:
        if not isinstance(score_thr, (int, float, np.number)) or not 0 <= score_thr <= 1:
            message = f"cannot filter instances by the score {describe(score_thr)}: expected 0..1."
            raise ConfigError(message, where="--score-thr", hint="use for example 0.5.")
        if not isinstance(model, LoadedModel):
            model = open_model(_as_spec(model), device=device)
        self.model: LoadedModel = model
        self.score_thr = score_thr
        self._bands = bands
        self._reader: ImageReader | ExportReader = ExportReader()
        if model.export is None:
            with model.confined():
                self._reader = ImageReader(model.config, bands=bands)
        self._is_own_tiling = tiling != "config"
        if tiling == "config":
            tiling = find_tiling(self.model.config)
        elif tiling is not None:
            self._check_tiles()
            check_tiling(tiling)
        self.tiling = tiling
        stated = model.config.get("postprocess") if postprocess == "config" else postprocess
        self.postprocess: Postprocess = parse_postprocess(stated, model.classes, task=model.task)

    @property
    def licence(self) -> Licence | None:
        """Return the terms of weights and data, or None if neither row nor record states them."""
        return self.model.licence

    @property
    def bands(self) -> tuple[int, int, int] | None:
        """The bands of a raster that are red, green and blue, if they were given."""
        return self._bands

    @property
    def reads(self) -> Callable[[Path], bool]:
        """Returns whether the config's own loading transform reads a file as an image."""
        return self._reader.reads

    @property
    def transforms(self) -> tuple[Callable[[dict[str, Any]], dict[str, Any] | None], ...]:
        """The built transforms of the test pipeline, in their order; the first loads the image."""
        return self._reader.steps

    def probabilities(self, image: GivenImage) -> NDArray[np.float32]:
        """Return how probable each class is at each pixel, before any postprocessing.

        The image is processed as a whole, whatever windows are stated.

        Args:
            image: As for a call.

        Returns:
            ``(C, H, W)`` at the image's own size. They sum to 1, also where a model scores two
            classes by one map.

        Raises:
            ConfigError: The model is no semantic one, or returns no scores.
            DataError: The image cannot be read, or the model fails on it.
        """
        if self.model.task != "semantic":
            message = f"cannot give probabilities of {self.model.name!r}: its task is "
            message += f"{self.model.task!r}, expected 'semantic'."
            raise ConfigError(message, where=self.model.name, hint="its instances have scores.")
        if isinstance(self._reader, ExportReader):
            message = f"cannot give probabilities of {self.model.name!r}: its file gives labels."
            hint = "use the model that it was made from."
            raise ConfigError(message, where=self.model.checkpoint, hint=hint)
        taken = self._take(image)
        where = "an array" if isinstance(taken, np.ndarray) else taken
        with self.model.confined():
            return predict_probabilities(self.model, self._reader, taken, where=where)

    def shown(self, image: GivenImage) -> NDArray[np.uint8]:
        """Return what the model reads, for people to look at: ``(H, W)`` or ``(H, W, 3)`` RGB.

        Args:
            image: As for a call.

        Raises:
            DataError: The image cannot be read.
        """
        taken = self._take(image)
        with self.model.confined():
            if isinstance(self._reader, ExportReader):
                with open_scene(taken, bands=self._bands) as scene:
                    return scene.shown()
            return self._reader.read(taken).shown

    def __call__(self, image: GivenImage) -> Result:
        """Predict one image.

        Args:
            image: A path; an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit (for a
                plugin's own loading transform that accepts no pictures, what it would have
                read); a tensor of the same, with channels first or last; a PIL image, which is
                rotated by its EXIF; the bytes of a picture's file, or the open file.

        Raises:
            DataError: The image cannot be read, or the model fails on it.
            ConfigError: The model returns no result of its task, or classes that it does not name.
        """
        taken = self._take(image)
        with self.model.confined():
            return cast("Result", self._predict(taken))

    def continued(self, image: Path, kept: Path) -> Result:
        """Predict one file; if it is a large scene, continue with the label map that was begun.

        Args:
            image: A path.
            kept: Where finished rows of the labels are kept; a journal is beside it. Both are used
                only by a semantic model, of a scene of more than 2**24 pixels in windows. They
                stay for the caller to remove, by
                `zoo.engine.scenes.label_journal.discard`.

        Raises:
            DataError: As for a call; or the rows cannot be written.
            ConfigError: As for a call.
        """
        taken = self._take(image)
        with self.model.confined():
            return cast("Result", self._predict(taken, KeptAt(kept, lambda: self._key(image))))

    def _key(self, image: Path) -> str:
        """Return the digest of what decides the labels of a file."""
        status = image.stat()
        config = repr(self.model.config._cfg_dict.to_dict())
        weights, how = self.model.identity()["sha256"], [repr(self.tiling), repr(self._bands)]
        file = [os.path.abspath(image), status.st_size, status.st_mtime_ns]
        facts = [*file, weights, config, *how]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _take(self, image: GivenImage) -> str | NDArray[Any]:
        taken, is_picture = take_image(image, bands=self._bands)
        if is_picture and not self._reader.takes_pictures:
            message = f"cannot pass an image to {self.model.name!r}: the transform of its "
            message += "config loads images from files."
            raise DataError(message, where="a picture", hint="give the path of the file.")
        return taken

    def _predict(
        self, image: str | NDArray[Any], kept: KeptAt | None = None
    ) -> SemanticResult | InstanceResult:
        where = "an array" if isinstance(image, np.ndarray) else image
        if isinstance(self._reader, ExportReader):
            if self.model.task == "instance":
                with open_scene(image, bands=self._bands) as scene:
                    return predict_exported(
                        self.model, scene, tiling=self.tiling, score_thr=self.score_thr
                    )
            if self.tiling is not None:
                with open_scene(image, bands=self._bands) as scene:
                    return predict_export_scene(
                        self.model,
                        scene,
                        tiling=self.tiling,
                        where=where,
                        postprocess=self.postprocess,
                        kept=kept,
                    )
            return predict_export(
                self.model, image, bands=self._bands, postprocess=self.postprocess
            )
        is_whole = self.tiling is None or not self._reader.takes_pixels
        if self.model.task == "semantic" and is_whole:
            return predict_labels(
                self.model, self._reader, image, where=where, postprocess=self.postprocess
            )
        if not self._reader.takes_pixels:
            return predict_image(
                self.model, self._reader, image, score_thr=self.score_thr, where=where
            )
        with open_scene(image, bands=self._bands) as scene:
            self._check_windows(scene, where)
            if self.model.task == "semantic":
                assert self.tiling is not None  # noqa: S101 - for mypy
                return predict_label_scene(
                    self.model,
                    self._reader,
                    scene,
                    tiling=self.tiling,
                    where=where,
                    postprocess=self.postprocess,
                    kept=kept,
                )
            return predict_scene(
                self.model,
                self._reader,
                scene,
                tiling=self.tiling,
                score_thr=self.score_thr,
                where=where,
            )

    def _check_windows(self, scene: Scene, where: str) -> None:
        """Refuse a record's windows if they exceed the budget of a published model."""
        budget, tiling = current_budget(), self.tiling
        if budget is None or tiling is None:
            return
        budget.see_image(scene.width_px, scene.height_px, where)
        stride_px, sides = tiling.tile_px - tiling.overlap_px, (scene.width_px, scene.height_px)
        count = math.prod(1 + -(-max(0, side - tiling.tile_px) // stride_px) for side in sides)
        hint = "choose larger ones, such as --tile-size 1024."
        budget.see_windows(None if self._is_own_tiling else count, tiling.tile_px, hint)

    def _check_tiles(self) -> None:
        if not self._reader.takes_pixels:
            message = f"cannot cut images for {self.model.name!r}: its config's own transform "
            message += "loads images as a whole."
            raise ConfigError(message, where="--tile-size", hint="drop it.")


def _as_spec(model: object) -> str:
    """Return the text by which a model is opened."""
    spec = os.fspath(model) if isinstance(model, os.PathLike) else model
    if isinstance(spec, str) and spec and "\0" not in spec:
        return spec
    message = f"cannot open the model {describe(spec)}: expected the name of weights, or the path "
    message += "of a published file or a work dir."
    raise ConfigError(message, where="a model", hint="zoo.list_weights() has the names.")


@overload
def load(
    name: str | os.PathLike[str],
    *,
    task: Literal["semantic"],
    device: str = "auto",
    score_thr: float = SCORE_THR,
    postprocess: Mapping[str, Any] | Literal["config"] | None = "config",
) -> Predictor[SemanticResult]: ...
@overload
def load(
    name: str | os.PathLike[str],
    *,
    task: Literal["instance"],
    device: str = "auto",
    score_thr: float = SCORE_THR,
    postprocess: Mapping[str, Any] | Literal["config"] | None = "config",
) -> Predictor[InstanceResult]: ...
@overload
def load(
    name: str | os.PathLike[str],
    *,
    task: None = None,
    device: str = "auto",
    score_thr: float = SCORE_THR,
    postprocess: Mapping[str, Any] | Literal["config"] | None = "config",
) -> Predictor: ...
def load(
    name: str | os.PathLike[str],
    *,
    task: str | None = None,
    device: str = "auto",
    score_thr: float = SCORE_THR,
    postprocess: Mapping[str, Any] | Literal["config"] | None = "config",
) -> Predictor:
    """Return a predictor: call it with a path or an array, and it returns a typed result.

    Weights that are not on this machine yet are downloaded and verified first, as by
    :func:`zoo.download`; nothing in them is run.

    Args:
        name: A weights name of :func:`zoo.list_weights`; or what
            `zoo.engine.prediction.model.open_model` takes: a published file, a work dir, or
            ``CONFIG,CHECKPOINT``. The last two run their config. A path is a file or a work dir.
        task: ``semantic`` or ``instance``: what the model must predict, so that a type checker
            knows what the predictor returns. None accepts either.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is CUDA if available, else the CPU.
        score_thr: Of an instance model, the least score, in ``[0, 1]``.
        postprocess: Postprocessing instead of the model's, as for `Predictor`; None for none.

    Raises:
        UnknownNameError: No weights have that name.
        DownloadError: They cannot be downloaded, or do not match their digest.
        CheckpointError: They cannot be read, or do not fit the config.
        ConfigError: The config cannot be built, is of no task that zoo predicts or of another
            than ``task``, or the device does not exist.

    Example:
        ``zoo.load("unet_lung_montgomery", task="semantic")("chest.png").areas_px["lung"]``
    """
    name = _as_spec(name)
    if task not in (None, "semantic", "instance"):
        message = f"cannot load {name!r} for the task {describe(task)}: expected 'semantic' or "
        message += "'instance'."
        raise ConfigError(message, where="task", hint="leave task out, and either loads.")
    files = find_model_files(name)
    if files.task is not None:  # before anything is read or built
        _check_task(name, files.task, task)
    model = open_model(files, device=device)
    _check_task(name, model.task, task)
    return Predictor(model, device=device, score_thr=score_thr, postprocess=postprocess)


def _check_task(name: str, found: str, wanted: str | None) -> None:
    if wanted not in (None, found):
        message = f"cannot load {name!r} for the task {wanted!r}: its task is {found!r}."
        raise ConfigError(message, where="task", hint=f"load it with task={found!r}.")
