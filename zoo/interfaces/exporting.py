# SPDX-License-Identifier: Apache-2.0
"""What turns a model into a file of another format, and what opens such a file again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["ExportOptions", "ExportedInstances", "ExportedModel", "Exporter", "Runner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What ``zoo export`` was told besides the model, the format and the folder.

    Attributes:
        name: Name of the model, which the file carries.
        data: A prepared folder, a folder of images or one image, on which the file is compared
            with the model; None for what the weights or their data set have as a sample.
        runtime: A file or an address of what the format brings along to run on, if it is no Python
            package; None for the one that the exporter was given before.
    """

    name: str
    data: Path | None = None
    runtime: str | None = None


class Exporter(Protocol):
    """A model as one file: the target of an ``[[exporter]]`` row, which ``zoo export`` calls."""

    def __call__(self, model: Any, out: Path, options: ExportOptions, /) -> Mapping[str, Any]:
        """Write the file, whole or not at all, and return its certificate.

        Args:
            model: A ``zoo.Predictor`` on the CPU.
            out: The file to write; its name ends with the row's ``suffix``. A file that is there
                is replaced.
            options: What the command was told.

        Returns:
            The certificate: what was compared and how far the file departs from the model, as
            values that JSON can hold.

        Raises:
            ZooError: The model cannot be exported, by the name of what cannot; or the file departs
                from it by more than its format tolerates. There is no file then.
        """


class ExportedInstances(Protocol):
    """What an exported instance model finds in an image, in px of the image.

    Attributes:
        boxes: ``(K, 4)`` float32, xyxy.
        scores: ``(K,)`` float32, in ``[0, 1]``.
        labels: ``(K,)`` int64, indices of the classes.
        masks: ``(K, h, w)`` float32, how probable each cell of a box is part of the object; None
            from a model that predicts boxes only.
        mask_threshold: The least probability of a pixel of a mask, above 0.
    """

    boxes: Any
    scores: Any
    labels: Any
    masks: Any
    mask_threshold: float


class ExportedModel(Protocol):
    """An opened file of an exporter: predicts like a ``zoo.Predictor``, and verifies itself.

    Attributes:
        record: What the file says of the model: ``name``, ``task``, ``classes``, ``palette``,
            ``licence``, ``notice`` and others.
    """

    record: Mapping[str, Any]

    def __call__(self, image: Any, /) -> Any:
        """Predict one image.

        Args:
            image: What a ``zoo.Predictor`` takes.

        Returns:
            A ``zoo.SemanticResult``; of the task ``instance``, `ExportedInstances`.
        """

    def probabilities(self, image: Any, /) -> Any:
        """Return how probable each class is at each pixel, of the task ``semantic``.

        ``zoo predict`` blends those of overlapping windows.

        Args:
            image: ``(h, w)`` grey or ``(h, w, 3)`` RGB, 8 bits: a window of a scene.

        Returns:
            ``(C, h, w)`` float32, summing to 1. Where the record states a ``threshold``, a pixel
            is of the second of two classes above it.
        """

    def verify(self, model: Any, data: Path | None, /) -> Mapping[str, Any]:
        """Compare the file with its certificate and, if at hand, with the model again.

        Args:
            model: The ``zoo.Predictor`` that it was made from; None if it is not on this machine.
            data: As in `ExportOptions`.

        Returns:
            What was checked: the certificate, and new values of what was measured again.

        Raises:
            ZooError: The file was changed, or departs.
        """


class Runner(Protocol):
    """Opens a file of an exporter: the ``runner`` of its row."""

    def __call__(self, path: Path, /) -> ExportedModel:
        """Return the opened file, for ``zoo predict`` and ``zoo verify``.

        Args:
            path: The file.

        Raises:
            ZooError: It is no such file, or a newer one than this version can run.
        """
