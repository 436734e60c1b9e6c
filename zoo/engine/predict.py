# SPDX-License-Identifier: Apache-2.0
"""A model and images -> label maps, overlays and one JSON, at the images' own resolution."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import IMAGE_SUFFIXES, encode_png
from zoo.engine.inputs import InputImage, find_inputs
from zoo.engine.models import LoadedModel, is_weights_name, open_model
from zoo.engine.overlay import draw_overlay
from zoo.engine.reader import ImageReader, find_test_dataset
from zoo.engine.writing import replace_file
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Failure", "Predictions", "Predictor", "SemanticResult", "load", "predict"]

JSON_NAME = "predictions.json"
IGNORE_ID = 255


@dataclass(frozen=True, slots=True, eq=False)
class SemanticResult:
    """What a semantic model says of one image.

    Args:
        labels: ``(H, W)`` class ids at the image's own resolution.
        classes: The name of each id.
        palette: The RGB colour of each id.
        areas_px: Pixels of each class, zeros too.
        meta: What the config's loading transform said of the image, as plain JSON values.
        shown: ``(H, W)`` or ``(H, W, 3)`` RGB, the image as people look at it.
    """

    labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    areas_px: Mapping[str, int]
    meta: Mapping[str, Any]
    shown: NDArray[np.uint8]

    def overlay(self) -> NDArray[np.uint8]:
        """Return the image with its labels painted over it and a legend strip below, RGB."""
        return draw_overlay(self.shown, self.labels, self.classes, self.palette)

    @property
    def areas_mm2(self) -> dict[str, float] | None:
        """The areas in mm^2, if ``meta`` says ``spacing_mm`` (row, column), else None."""
        match self.meta.get("spacing_mm"):
            case [int() | float() as row_mm, int() | float() as column_mm]:
                area_mm2 = row_mm * column_mm
                return {name: area_px * area_mm2 for name, area_px in self.areas_px.items()}
        return None


class Predictor:
    """Predicts one image at a time with a semantic model.

    Args:
        model: An opened model, or what :func:`zoo.engine.models.open_model` takes.
        device: Where an unopened model runs.

    Example:
        ``Predictor("work_dirs/unet")("x.png").areas_px["lung"]``
    """

    def __init__(self, model: LoadedModel | str, *, device: str = "auto") -> None:
        self.model = open_model(model, device=device) if isinstance(model, str) else model
        self._reader = ImageReader(self.model.config)

    @property
    def reads(self) -> Callable[[Path], bool]:
        """What tells that a file is an image to the config's own loading transform."""
        return self._reader.reads

    def __call__(self, image: str | os.PathLike[str] | NDArray[Any]) -> SemanticResult:
        """Return the labels of one image.

        Args:
            image: A path; or an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit (where
                a plugin's own transform loads, what that transform would have read).

        Raises:
            DataError: The image cannot be read, or the model fails on it.
            ConfigError: The model gives no label map at the image's resolution, or ids that
                have no class.
        """
        where = "an array" if isinstance(image, np.ndarray) else os.fspath(image)
        read = self._reader.read(image)
        labels = self._labels(read.batch, where)
        counts = np.bincount(labels.ravel(), minlength=256)
        areas = {name: int(counts[index]) for index, name in enumerate(self.model.classes)}
        return SemanticResult(
            labels, self.model.classes, self.model.palette, areas, read.meta, read.shown
        )

    def _labels(self, batch: dict[str, list[Any]], where: str) -> NDArray[np.uint8]:
        import torch

        shape = tuple(batch["data_samples"][0].metainfo["ori_shape"][:2])
        try:
            with torch.inference_mode():
                sample = self.model.module.test_step(batch)[0]
        except (RuntimeError, AssertionError, ValueError) as error:
            is_full = isinstance(error, torch.OutOfMemoryError)
            hint = "try --device cpu, or a smaller image." if is_full else None
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            message = f"cannot predict on {Path(where).name!r}: the model fails: {first}"
            raise DataError(message, path=where, hint=hint) from error
        if "pred_sem_seg" not in sample:
            message = "cannot use the model's result: it holds no label map (pred_sem_seg)."
            raise ConfigError(message, where=self.model.name)
        ids = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
        if ids.shape != shape:
            message = (
                f"cannot use the model's label map: it is {ids.shape[1]}x{ids.shape[0]} pixels, "
                f"the image {shape[1]}x{shape[0]}, expected equal sizes."
            )
            raise ConfigError(message, where=self.model.name)
        known = ((ids >= 0) & (ids < len(self.model.classes))) | (ids == IGNORE_ID)
        if not known.all():
            message = (
                f"cannot use the model's label map: it holds id {ids[~known][0]:g}, "
                f"the model has {len(self.model.classes)} classes."
            )
            raise ConfigError(message, where=self.model.name)
        return np.ascontiguousarray(ids, np.uint8)


def load(name: str, *, device: str = "auto") -> Predictor:
    """Return a predictor: call it with a path or an array, and it gives a typed result.

    Weights that are not on this machine yet are fetched and verified first, as by
    :func:`zoo.download`; nothing in them is run.

    Args:
        name: A weights name, as :func:`zoo.list_weights` has it; or what
            :func:`zoo.engine.models.open_model` takes: a published ``.safetensors``, a work dir, or
            ``CONFIG,CHECKPOINT``. The last two run their config.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is CUDA where there is one.

    Raises:
        UnknownNameError: There are no weights of that name.
        DownloadError: They cannot be fetched, or are not the promised ones.
        CheckpointError: They cannot be read, or do not fit the config.
        ConfigError: The config cannot be built, is of no task that zoo predicts, or the device
            is not there.

    Example:
        ``zoo.load("unet_lung_montgomery")("chest.png").areas_px["lung"]``
    """
    if is_weights_name(name):
        from zoo.weights import fetch_weights, find_weights, local_files

        found = find_weights(name)
        if next(local_files(found), None) is None:
            fetch_weights(found)
    return Predictor(name, device=device)


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be predicted, and why."""

    path: Path
    error: DataError


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a call of :func:`predict` wrote.

    Args:
        path: The JSON.
        count: How many images were predicted.
        failures: Those that were not.
    """

    path: Path
    count: int
    failures: tuple[Failure, ...] = field(default=())


def predict(
    model: Predictor | LoadedModel | str,
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    labels: bool = True,
    overlays: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Predict images and write label PNGs, overlay PNGs and ``predictions.json``.

    A bad image does not stop the others: it is listed under ``failures``. Each file appears
    whole, replacing what was there, and the JSON comes last: where one lies, everything that it
    lists does too. A pixel's label is the class id; areas are in pixels of the image itself.

    Args:
        model: A predictor, an opened model, or what :func:`open_model` takes.
        inputs: Files, folders and globs; see :func:`zoo.engine.inputs.find_inputs`.
        out: The folder to write into.
        labels: Whether to write ``<name>_label.png``.
        overlays: Whether to write ``<name>_overlay.png``.
        progress: Called after each image with how many are done, and of how many.

    Raises:
        DataError: An input does not exist, an output would overwrite an input, the folder
            cannot be written, or not one image could be predicted (nothing is written then).
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    folder = Path(out)
    images = find_inputs(inputs, suffixes=_suffixes(predictor.model), reads=predictor.reads)
    _check_out(folder, images)
    entries: list[dict[str, Any]] = []
    failures: list[Failure] = []
    for done, image in enumerate(images, 1):
        try:
            result = predictor(image.path)
        except DataError as error:
            failures.append(Failure(image.path, error))
        else:
            if not entries:
                # From here on the folder is being changed, so an older JSON would be wrong.
                _remove_old(folder / JSON_NAME)
            entries.append(_write_image(folder, image, result, labels=labels, overlays=overlays))
        if progress is not None:
            progress(done, len(images))
    if not entries:
        raise _all_failed(failures)
    text = json.dumps(_document(predictor.model, entries, failures), indent=2, allow_nan=False)
    replace_file(folder / JSON_NAME, text.encode() + b"\n")
    return Predictions(folder / JSON_NAME, len(entries), tuple(failures))


def _suffixes(model: LoadedModel) -> frozenset[str]:
    """Return what counts as an image in a folder: the usual ones and the data set's own."""
    own = find_test_dataset(model.config).get("img_suffix")
    return IMAGE_SUFFIXES | {own.lower()} if isinstance(own, str) and own else IMAGE_SUFFIXES


def _check_out(folder: Path, images: Sequence[InputImage]) -> None:
    if folder.exists() and not folder.is_dir():
        message = f"cannot write into {str(folder)!r}: it is a file, expected a folder."
        raise DataError(message, path=folder, hint="name another folder with --out.")
    sources = {_real(image.path): image.path for image in images}
    for image in images:
        for path in (_label_path(folder, image), _overlay_path(folder, image)):
            if _real(path) in sources:
                message = f"cannot write {path.name!r}: it would overwrite an input."
                hint = "name a folder with --out that holds no input."
                raise DataError(message, path=path, hint=hint)


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _label_path(folder: Path, image: InputImage) -> Path:
    return folder / f"{image.name}_label.png"


def _overlay_path(folder: Path, image: InputImage) -> Path:
    return folder / f"{image.name}_overlay.png"


def _write_image(
    folder: Path, image: InputImage, result: SemanticResult, *, labels: bool, overlays: bool
) -> dict[str, Any]:
    """Write an image's files and return its entry of the JSON."""
    label, overlay = _label_path(folder, image), _overlay_path(folder, image)
    if labels:
        replace_file(label, encode_png(result.labels))
    if overlays:
        replace_file(overlay, encode_png(result.overlay()))
    height_px, width_px = result.labels.shape
    areas_mm2 = result.areas_mm2
    return {
        "file": image.path.as_posix(),
        "label": label.name if labels else None,
        "overlay": overlay.name if overlays else None,
        "height_px": height_px,
        "width_px": width_px,
        "areas": {
            name: {"px": area_px, "fraction": area_px / result.labels.size}
            | ({} if areas_mm2 is None else {"mm2": areas_mm2[name]})
            for name, area_px in result.areas_px.items()
        },
        "meta": dict(result.meta),
    }


def _document(
    model: LoadedModel, entries: list[dict[str, Any]], failures: Sequence[Failure]
) -> dict[str, Any]:
    return {
        "schema": "zoo.prediction/1",
        "task": model.task,
        "model": model.identity(),
        "classes": list(model.classes),
        "palette": [list(color) for color in model.palette],
        "images": entries,
        "failures": [
            {"file": failure.path.as_posix(), "error": failure.error.message}
            for failure in failures
        ],
    }


def _remove_old(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot replace {path.name!r}: {error.strerror}."
        raise DataError(message, path=path, hint="name another folder with --out.") from error


def _all_failed(failures: Sequence[Failure]) -> DataError:
    if len(failures) == 1:
        return failures[0].error
    first = failures[0]
    message = f"cannot predict on any of {len(failures)} images; the first: {first.error.message}"
    error = DataError(message, path=first.path, hint=first.error.hint)
    error.__cause__ = first.error
    return error
