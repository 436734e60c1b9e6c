# SPDX-License-Identifier: Apache-2.0
"""Predict images and write files for people and programs, with one JSON that lists them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from zoo.data import IMAGE_SUFFIXES
from zoo.engine.config_parts.parts import find_test_dataset
from zoo.engine.exchanges import open_writer
from zoo.engine.overlays.style import OverlayStyle
from zoo.engine.prediction.model import LoadedModel
from zoo.engine.prediction.predictor import Predictor
from zoo.engine.prediction_files.batch import JSON_NAME, Batch, Failure
from zoo.engine.prediction_files.described import json_head
from zoo.engine.prediction_files.exchanged import Exchanged, write_exchanged
from zoo.engine.prediction_files.images import InputImage, InputImages
from zoo.engine.prediction_files.inputs import find_inputs
from zoo.engine.prediction_files.journal import Journal, batch_facts
from zoo.engine.prediction_files.result_files import ResultFiles, files_of
from zoo.engine.prediction_files.spread import (
    Outcome,
    Spread,
    outcome_of,
    outcomes,
    unforeseen,
)
from zoo.engine.scenes.label_journal import discard
from zoo.errors import ConfigError, DataError, ZooError

__all__ = ["Failure", "Predictions", "predict"]


@dataclass(frozen=True, slots=True)
class Predictions:
    """The output of a call of :func:`predict`.

    Args:
        path: The JSON.
        count: Number of predicted images.
        failures: The images that failed.
        exchanged: The results in another format, if one was asked for.
    """

    path: Path
    count: int
    failures: tuple[Failure, ...] = field(default=())
    exchanged: Exchanged | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values: ``predictions``, ``count`` and ``failures``.

        With another format also ``labels``: its ``file``, and what was ``dropped`` or
        ``repaired`` in it, with the ``counts`` of what it has no place for.
        """
        failures = [
            {"file": each.path.as_posix(), "error": each.error.message, "hint": each.error.hint}
            for each in self.failures
        ]
        told = {"predictions": str(self.path), "count": self.count, "failures": failures}
        if self.exchanged is None:
            return told
        report = self.exchanged.report.to_dict()
        lost = {key: report[key] for key in ("counts", "dropped", "repaired")}
        return {**told, "labels": {"file": str(self.exchanged.path), **lost}}


def predict(
    model: Predictor | LoadedModel | str,
    inputs: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    labels: bool = True,
    overlays: bool = True,
    overlay_style: str = "both",
    overlay_opacity: float = 0.35,
    resume: bool = False,
    format: str | None = None,
    format_options: Mapping[str, Any] | None = None,
    spread: Spread | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Predict images and write the results, overlay PNGs and ``predictions.json``.

    A bad image does not stop the others: it is listed under ``failures``. Each file appears
    complete and replaces an existing one. The JSON is updated from the first image on and says
    whether it is complete; everything that it lists exists. Labels, areas and boxes are in pixels
    of the image itself.

    Args:
        model: A predictor, an open model, or what :func:`open_model` takes.
        inputs: Files, folders and globs, perhaps millions; see
            `zoo.engine.prediction_files.inputs.find_inputs`.
        out: Output folder.
        labels: Whether to write ``<name>_label.png`` of a semantic model, or ``<name>_label.tif``
            of a scene with coordinates that was processed in windows.
        overlays: Whether to write ``<name>_overlay.png``.
        overlay_style: ``contour``, ``fill`` or ``both``.
        overlay_opacity: Opacity of the fill, in ``[0, 1]``.
        resume: Whether to continue a batch of the same model, options and inputs that was
            stopped, or in which images failed.
        format: Name of a format of labels that a plugin writes, such as ``coco``: the results are
            also written as ``<format>_labels``, for people to correct; or None.
        format_options: Options of the format by name, with underscores.
        spread: Other processes that predict; None to predict in this one.
        progress: Called after each image with the number done and the total.

    Raises:
        ConfigError: The overlay's style or opacity is invalid, or the format needs label maps.
        UnknownNameError: No plugin writes the format.
        DataError: An option of the format is not one of its own, an input does not exist, an
            output would overwrite an input, the folder cannot be written, the batch to resume is
            another one, or no image could be predicted (then nothing is written).
        InterruptedBatchError: It was stopped; finished images are listed, and it can be resumed.
    """
    writer = None if format is None else open_writer(format, format_options)
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    _check_labels(predictor.model, format, labels=labels)
    folder = Path(out)
    images = find_inputs(inputs, suffixes=_suffixes(predictor.model), reads=predictor.reads)
    style = OverlayStyle(overlay_style, overlay_opacity) if overlays else None
    files = files_of(predictor.model, folder, labels=labels, overlays=style)
    _check_out(folder, images, files)
    identity = predictor.model.identity()
    drawn = None if style is None else [style.kind, float(style.opacity)]
    facts = batch_facts(predictor, str(identity["sha256"]), images, labels=labels, overlays=drawn)
    head = {**json_head(predictor, identity), "run": dict(facts)}
    batch = Batch(head, images, files, Journal(folder, facts))
    if resume:
        batch.resume()
    waiting = (image for image in images if not batch.has(image))
    if spread is None:
        found = (_continued(image, predictor, batch, folder, resume=resume) for image in waiting)
    else:
        found = outcomes(spread, waiting, folder, files, batch.begin, labels=labels, overlays=style)
    with batch.writing(), closing(found):
        for done, image in enumerate(images, 1):
            if not batch.has(image):
                _take(batch, image, next(found))
            if progress is not None:
                progress(done, len(images))
    if not batch.count:
        raise _all_failed(batch.failures)
    path, found_by = folder / JSON_NAME, predictor.model
    exchanged = (
        None if writer is None else write_exchanged(path, writer, found_by.task, found_by.classes)
    )
    return Predictions(path, batch.count, tuple(batch.failures), exchanged)


def _continued(
    image: InputImage, predictor: Predictor, batch: Batch, folder: Path, *, resume: bool
) -> Outcome:
    """Predict an image; the finished rows of a large label map stay if the process ends.

    Without ``resume``, they are not used again.
    """
    kept, had_folder = folder / f".{image.name}_label.rows", folder.exists()
    if not resume:
        discard(kept)
    outcome = outcome_of(image, predictor, batch.write, kept=kept)
    if not outcome.is_of_all:
        discard(kept)
        if outcome.error is not None and not had_folder:
            with suppress(OSError):  # something else may be in it
                folder.rmdir()
    return outcome


def _check_labels(model: LoadedModel, format: str | None, *, labels: bool) -> None:
    """Refuse another format of results that nothing is written of."""
    if format is not None and model.task == "semantic" and not labels:
        message = f"cannot write {format!r} without label maps, which it is made from."
        raise ConfigError(message, where="--format", hint="leave out --no-labels.")


def _take(batch: Batch, image: InputImage, outcome: Outcome) -> None:
    """Note what became of an image; its own errors do not stop the others."""
    error = outcome.error
    if error is None:
        try:
            batch.take(image, outcome.entry, outcome.shared)
        except ZooError:
            raise  # the disk is full, for every later image too
        except Exception as fault:  # noqa: BLE001 - the image may have gone
            error = unforeseen(image, fault)
    elif outcome.is_of_all or not isinstance(error, DataError):
        raise error
    if isinstance(error, DataError):
        batch.fail(Failure(image.path, error))


def _suffixes(model: LoadedModel) -> frozenset[str]:
    """Return the suffixes of images in a folder: the usual ones and the data set's own."""
    own = find_test_dataset(model.config).get("img_suffix")
    return IMAGE_SUFFIXES | {own.lower()} if isinstance(own, str) and own else IMAGE_SUFFIXES


def _check_out(folder: Path, images: InputImages, files: ResultFiles) -> None:
    if folder.exists() and not folder.is_dir():
        message = f"cannot write into {str(folder)!r}: it is a file, expected a folder."
        raise DataError(message, path=folder, hint="choose another folder with --out.")
    for path in chain(files.shared_paths, chain.from_iterable(map(files.paths, images))):
        if images.has_file(path):
            message = f"cannot write {path.name!r}: it would overwrite an input."
            hint = "choose a folder without inputs with --out."
            raise DataError(message, path=path, hint=hint)


def _all_failed(failures: Sequence[Failure]) -> DataError:
    if len(failures) == 1:
        return failures[0].error
    first = failures[0]
    message = f"cannot predict on any of {len(failures)} images; the first: {first.error.message}"
    error = DataError(message, path=first.path, hint=first.error.hint)
    error.__cause__ = first.error
    return error
