# SPDX-License-Identifier: Apache-2.0
"""One model, or several whose probabilities are averaged, with or without flipped images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import zoo
from zoo.data import Picture, read_picture
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TTA", "Members", "open_members"]

TTA = ("none", "flip")
"""``flip`` averages an image, its two mirror images, and the image turned upside down."""

_FLIPS: Mapping[str, Sequence[tuple[int, ...]]] = {"none": [()], "flip": [(), (1,), (0,), (0, 1)]}
_BACKGROUND = ("background", "bg", "ground", "_background_")


class Members:
    """Semantic models of the same classes.

    Args:
        predictors: At least one.
        tta: One of `TTA`.
    """

    def __init__(self, predictors: Sequence[Any], tta: str) -> None:
        self.predictors, self.tta = predictors, tta
        self.classes: tuple[str, ...] = predictors[0].model.classes
        self.palette: tuple[tuple[int, int, int], ...] = predictors[0].model.palette
        self.notice: str | None = predictors[0].model.notice
        named = [name.lower() in _BACKGROUND for name in self.classes]
        kept = [index for index, is_ground in enumerate(named) if not is_ground]
        self.foreground = kept or list(range(len(self.classes)))
        """Ids of the classes that are not named as a background is; all if none is left."""

    @property
    def checkpoint(self) -> Path:
        """The file of the first one's weights."""
        return Path(self.predictors[0].model.checkpoint)

    def identity(self) -> list[dict[str, str]]:
        """Return name, checkpoint, and the digests of checkpoint and config of each."""
        return [
            {
                "name": each.model.name,
                "checkpoint": each.model.checkpoint.name,
                "checkpoint_sha256": _digest_of(each.model.checkpoint),
                "config_sha256": _digest_of_config(each.model.config),
            }
            for each in self.predictors
        ]

    def reads(self, path: Path) -> bool:
        """Return whether the models' own transform says that a file is an image, such as DICOM.

        Args:
            path: A file.
        """
        return bool(self.predictors[0].reads(path))

    def picture(self, path: Path) -> Picture:
        """Return an image as the first model reads it, in 8 bits.

        Args:
            path: The image.

        Raises:
            DataError: It cannot be read.
        """
        return Picture(self.predictors[0].shown(path))

    def probabilities(self, path: Path) -> NDArray[np.float32]:
        """Return the mean probability of each class at each pixel, before any temperature.

        Args:
            path: The image.

        Returns:
            ``(C, H, W)``, summing to 1.

        Raises:
            DataError: The image cannot be read, a model fails on it, or its config loads images
                from files alone, so that a flipped one cannot be given.
            ConfigError: A model returns no scores.
        """
        flips = _FLIPS[self.tta]
        total: Any = 0
        for predictor in self.predictors:
            pixels = None if len(flips) == 1 else _pixels(predictor, path)
            for axes in flips:
                total = total + _one(predictor, path, pixels, axes)
        mean: NDArray[np.float32] = total / np.float32(len(self.predictors) * len(flips))
        return mean


def _pixels(predictor: Any, path: Path) -> NDArray[Any]:
    """Return an image as an array, also one that only the model's own transform reads."""
    pixels: NDArray[Any] = (
        predictor.shown(path) if predictor.reads(path) else read_picture(path).pixels
    )
    return pixels


def _one(
    predictor: Any, path: Path, pixels: NDArray[Any] | None, axes: tuple[int, ...]
) -> NDArray[np.float32]:
    if pixels is None:
        found: NDArray[np.float32] = predictor.probabilities(path)
        return found
    import torch

    # As a tensor: a transform that takes no pictures would take an array for what it reads itself.
    given = torch.from_numpy(np.ascontiguousarray(np.flip(pixels, axes)))
    flipped = predictor.probabilities(given)
    back: NDArray[np.float32] = np.flip(flipped, tuple(axis + 1 for axis in axes))
    return back


def open_members(specs: Sequence[str], *, tta: str = "none", device: str = "auto") -> Members:
    """Return the models of work dirs, published files or ``CONFIG,CHECKPOINT``.

    Args:
        specs: What `zoo.load` takes.
        tta: One of `TTA`.
        device: As for `zoo.load`.

    Raises:
        ConfigError: One is no semantic model, or they name other classes.
        CheckpointError: Weights cannot be read.
    """
    predictors = [zoo.load(spec, task="semantic", device=device) for spec in specs]
    first = predictors[0].model
    for spec, predictor in zip(specs, predictors, strict=True):
        if predictor.model.classes != first.classes:
            message = f"cannot average {first.name!r} and {spec!r}: their classes are "
            message += f"{', '.join(first.classes)} and {', '.join(predictor.model.classes)}."
            raise ConfigError(message, where=spec, hint="give runs of one data set.")
    return Members(predictors, tta)


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest_of_config(config: Any) -> str:
    """Return the digest of what decides a prediction: the network and the steps before it."""
    loader = config.get("test_dataloader") or config.get("val_dataloader") or {}
    parts = [config.get("model"), _find_pipeline(loader), config.get("test_pipeline")]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _find_pipeline(value: Any) -> Any:
    """Return the first ``pipeline`` of a loader, within wrappers of data sets too."""
    for _ in range(8):
        if not isinstance(value, Mapping):
            return None
        if value.get("pipeline"):
            return value["pipeline"]
        inner = value.get("dataset") or value.get("datasets")
        value = inner[0] if isinstance(inner, list) and inner else inner
    return None
