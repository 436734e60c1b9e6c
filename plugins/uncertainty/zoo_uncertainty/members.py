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
from zoo.data import read_picture
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

    def probabilities(self, path: Path) -> NDArray[np.float32]:
        """Return the mean probability of each class at each pixel, before any temperature.

        Args:
            path: The image.

        Returns:
            ``(C, H, W)``, summing to 1.

        Raises:
            DataError: The image cannot be read, or a model fails on it.
            ConfigError: A model returns no scores, or its config loads images from files alone,
                so that a flipped one cannot be given.
        """
        flips = _FLIPS[self.tta]
        pixels = None if len(flips) == 1 else read_picture(path).pixels
        total: Any = 0
        for predictor in self.predictors:
            for axes in flips:
                total = total + _one(predictor, path, pixels, axes)
        mean: NDArray[np.float32] = total / np.float32(len(self.predictors) * len(flips))
        return mean


def _one(
    predictor: Any, path: Path, pixels: NDArray[Any] | None, axes: tuple[int, ...]
) -> NDArray[np.float32]:
    if pixels is None:
        found: NDArray[np.float32] = predictor.probabilities(path)
        return found
    flipped = predictor.probabilities(np.ascontiguousarray(np.flip(pixels, axes)))
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
