# SPDX-License-Identifier: Apache-2.0
"""Images predicted by other processes: what each of them needs, and what it gives back.

The processes are started by a plugin. It gets an object that it can pickle and one item for each
image, and knows neither models nor files.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.engine.checkpoints.pickles import trusted_digests, trusting
from zoo.engine.overlays.style import OverlayStyle
from zoo.engine.prediction.model import open_model
from zoo.engine.prediction.model_files import ModelFiles
from zoo.engine.prediction.predictor import Predictor
from zoo.engine.prediction_files.images import InputImage
from zoo.engine.prediction_files.result_files import ResultFiles, files_of
from zoo.errors import DataError, ZooError
from zoo.interfaces import Mapper

__all__ = ["Outcome", "PredictorBuild", "Spread", "outcome_of", "outcomes", "unforeseen"]

_LOG = logging.getLogger("zoo")
_PROCESS_BYTES = 2**30
"""Of a process that predicts, besides its model: what torch and OpenMMLab take, and an image."""


@dataclass(frozen=True, slots=True)
class PredictorBuild:
    """How a process builds its predictor.

    Attributes:
        files: The files of the model.
        device: Where it predicts, ``cpu``, ``cuda`` or ``auto``; a GPU is one of its own.
        options: Of `Predictor`, those that were given; the config's own are read there again.
        trusted: Digests of the files that may run code, as `trusting` has them here.
    """

    files: ModelFiles
    device: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trusted: frozenset[str] = field(default_factory=trusted_digests)

    def __call__(self) -> Predictor:
        """Return the predictor."""
        with trusting(self.trusted) if self.trusted else nullcontext():
            model = open_model(self.files, device=self.device)
        return Predictor(model, **self.options)


@dataclass(frozen=True, slots=True)
class Spread:
    """Other processes to predict with.

    Attributes:
        mapper: A plugin's function that maps in other processes.
        build: How each of them builds its predictor.
    """

    mapper: Mapper
    build: PredictorBuild


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an image.

    Attributes:
        entry: Its entry in the JSON; empty if it failed.
        shared: What the files of the whole batch need from it.
        error: Why it failed, or None.
        is_of_all: Whether every later image would fail too: the model is at fault, or the disk.
    """

    entry: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    error: ZooError | None = None
    is_of_all: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process does, before it has a model; it is sent to each of them."""

    build: PredictorBuild
    cwd: Path
    folder: Path
    labels: bool
    overlays: OverlayStyle | None

    @property
    def needs_gpu(self) -> bool:
        """Whether a process has a use for a GPU."""
        return self.build.device.partition(":")[0] != "cpu"

    @property
    def memory_bytes(self) -> int:
        """What a process needs: while it reads its weights, they are in memory twice."""
        return _PROCESS_BYTES + 2 * self.build.files.checkpoint.stat().st_size

    def __call__(self) -> Callable[[Any], Outcome]:
        os.chdir(self.cwd)  # paths are as the user wrote them
        predictor = self.build()

        def predict(item: Any) -> Outcome:
            image = InputImage(Path(item[0]), item[1])
            # Anew for each image: those of a whole batch grow with it.
            files = files_of(
                predictor.model, self.folder, labels=self.labels, overlays=self.overlays
            )
            return outcome_of(image, predictor, files.write)

        return predict


def outcomes(
    spread: Spread,
    images: Iterable[InputImage],
    folder: Path,
    files: ResultFiles,
    begin: Callable[[], None],
    *,
    labels: bool,
    overlays: OverlayStyle | None,
) -> Generator[Outcome]:
    """Predict images in other processes, which write their files; yield what became of each.

    Args:
        spread: The processes.
        images: The images, read one by one.
        folder: The output folder; it must be the same in every process.
        files: Those of the batch, which number what was found.
        begin: Called when the first image is asked for, before a process may write.
        labels: Whether a semantic model's label PNGs are written.
        overlays: Style of the overlay PNGs; None to write none.
    """
    items = ((image.path.as_posix(), image.name) for image in images)
    first = next(items, None)
    if first is None:
        return

    def begun() -> Iterator[tuple[str, str]]:
        begin()  # not earlier: what the mapper needs may be missing
        yield first
        yield from items

    work = _Work(spread.build, Path.cwd(), folder, labels, overlays)
    for outcome in spread.mapper(work, begun()):
        if outcome.error is None:
            yield Outcome(*files.adopt(outcome.entry, outcome.shared))
        else:
            yield outcome


def outcome_of(
    image: InputImage,
    predictor: Predictor,
    write: Callable[[InputImage, Any], tuple[dict[str, Any], dict[str, Any]]],
    *,
    kept: Path | None = None,
) -> Outcome:
    """Predict an image and write its files; errors of this image alone do not raise.

    Args:
        image: The image.
        predictor: The predictor.
        write: Writes its files.
        kept: Where the finished rows of a large label map are kept, to continue from.
    """
    try:
        result = (
            predictor(image.path) if kept is None else predictor.continued(image.path, kept=kept)
        )
    except DataError as error:
        return Outcome(error=error)
    except ZooError as error:  # the model is at fault
        return Outcome(error=error, is_of_all=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it may be of this image alone
        _LOG.debug("%s fails", image.path, exc_info=True)
        return Outcome(error=unforeseen(image, error))
    try:
        entry, shared = write(image, result)
    except ZooError as error:  # the disk is full, for every later image too
        return Outcome(error=error, is_of_all=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it may be of this image alone
        _LOG.debug("the results of %s cannot be written", image.path, exc_info=True)
        return Outcome(error=unforeseen(image, error))
    return Outcome(entry, shared)


def unforeseen(image: InputImage, error: Exception) -> DataError:
    """Return an error of an image for one that nobody foresaw.

    Args:
        image: The image.
        error: What was raised.
    """
    reason = str(error).strip().splitlines() or ["unknown reason"]
    if isinstance(error, MemoryError):
        reason = ["there is not enough memory"]
    message = f"cannot predict on {image.path.name!r}: {reason[0].rstrip('.')}."
    hint = "predict on it alone: --debug shows where it fails."
    return DataError(message, path=image.path, hint=hint)
