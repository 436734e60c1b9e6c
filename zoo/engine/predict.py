# SPDX-License-Identifier: Apache-2.0
"""A model and images -> files for people and programs, and one JSON that lists them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.data import IMAGE_SUFFIXES
from zoo.engine.inputs import InputImage, find_inputs
from zoo.engine.models import LoadedModel
from zoo.engine.predictor import Predictor
from zoo.engine.reader import find_test_dataset
from zoo.engine.result_files import ResultFiles, files_of
from zoo.engine.writing import replace_file
from zoo.errors import DataError

__all__ = ["Failure", "Predictions", "predict"]

JSON_NAME = "predictions.json"


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
    """Predict images and write what was found, overlay PNGs and ``predictions.json``.

    A bad image does not stop the others: it is listed under ``failures``. Each file appears
    whole, replacing what was there, and the JSON comes last: where one lies, everything that it
    lists does too. Labels, areas and boxes are in pixels of the image itself.

    Args:
        model: A predictor, an opened model, or what :func:`open_model` takes.
        inputs: Files, folders and globs; see :func:`zoo.engine.inputs.find_inputs`.
        out: The folder to write into.
        labels: Whether to write ``<name>_label.png`` of a semantic model.
        overlays: Whether to write ``<name>_overlay.png``.
        progress: Called after each image with how many are done, and of how many.

    Raises:
        DataError: An input does not exist, an output would overwrite an input, the folder
            cannot be written, or not one image could be predicted (nothing is written then).
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    folder = Path(out)
    images = find_inputs(inputs, suffixes=_suffixes(predictor.model), reads=predictor.reads)
    files = files_of(predictor.model, folder, labels=labels, overlays=overlays)
    _check_out(folder, images, files)
    entries: list[dict[str, Any]] = []
    failures: list[Failure] = []
    for done, image in enumerate(images, 1):
        try:
            result = predictor(image.path)
        except DataError as error:
            failures.append(Failure(image.path, error))
        else:
            if not entries:
                # From here on the folder is being changed, so older JSONs would be wrong.
                for path in (folder / JSON_NAME, *files.shared_paths):
                    _remove_old(path)
            entries.append(files.write(image, result))
        if progress is not None:
            progress(done, len(images))
    if not entries:
        raise _all_failed(failures)
    document = _document(predictor.model, entries, failures, files.write_shared())
    text = json.dumps(document, indent=2, allow_nan=False)
    replace_file(folder / JSON_NAME, text.encode() + b"\n")
    return Predictions(folder / JSON_NAME, len(entries), tuple(failures))


def _suffixes(model: LoadedModel) -> frozenset[str]:
    """Return what counts as an image in a folder: the usual ones and the data set's own."""
    own = find_test_dataset(model.config).get("img_suffix")
    return IMAGE_SUFFIXES | {own.lower()} if isinstance(own, str) and own else IMAGE_SUFFIXES


def _check_out(folder: Path, images: Sequence[InputImage], files: ResultFiles) -> None:
    if folder.exists() and not folder.is_dir():
        message = f"cannot write into {str(folder)!r}: it is a file, expected a folder."
        raise DataError(message, path=folder, hint="name another folder with --out.")
    sources = {_real(image.path): image.path for image in images}
    for path in [*files.shared_paths, *(path for image in images for path in files.paths(image))]:
        if _real(path) in sources:
            message = f"cannot write {path.name!r}: it would overwrite an input."
            hint = "name a folder with --out that holds no input."
            raise DataError(message, path=path, hint=hint)


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _document(
    model: LoadedModel,
    entries: list[dict[str, Any]],
    failures: Sequence[Failure],
    shared: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "schema": "zoo.prediction/1",
        "task": model.task,
        "model": model.identity(),
        "classes": list(model.classes),
        "palette": [list(color) for color in model.palette],
        **shared,
        "images": entries,
        "failures": [
            {
                "file": failure.path.as_posix(),
                "error": failure.error.message,
                "hint": failure.error.hint,
            }
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
