# SPDX-License-Identifier: Apache-2.0
"""Assess many images, and write the order in which to label them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import Picture, write_file
from zoo.errors import ConfigError, DataError
from zoo_uncertainty.assessing import Assessment, assess
from zoo_uncertainty.calibration_file import NAME, Calibration, has_place, read_calibration
from zoo_uncertainty.image_inputs import find_images, names_of
from zoo_uncertainty.members import Members, open_members
from zoo_uncertainty.pictures import draw_sheet, map_png
from zoo_uncertainty.selecting import order_of, shares_below
from zoo_uncertainty.training_images import find_training_images

if TYPE_CHECKING:
    from zoo_uncertainty.appearance import Appearances

__all__ = ["Ranked", "Sources", "assess_images", "rank_images"]

_SHOWN = 12
_NO_MAP = np.empty((0, 0), np.float32)
_NO_PICTURE = Picture(np.empty((0, 0), np.uint8))

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked, and of what.

    Attributes:
        specs: The models, the first one first; several are averaged.
        inputs: Images and folders of images.
        out: Folder to write into.
        calibration: Its file; None for ``calibration.json`` beside the first checkpoint, if there;
            a name has none.
        tta: One of `zoo_uncertainty.members.TTA`.
        device: As for `zoo.load`.
    """

    specs: Sequence[str]
    inputs: Sequence[Path]
    out: Path
    calibration: Path | None = None
    tta: str = "none"
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Ranked:
    """What was written.

    Attributes:
        files: The files, the most important one first.
        images: Rows of the images, in the order of the file.
        failures: Rows of those that could not be predicted: ``file``, ``error`` and ``hint``.
        is_calibrated: Whether a calibration was used.
        has_training: Whether the training images were found.
    """

    files: Sequence[Path]
    images: Sequence[dict[str, Any]]
    failures: Sequence[dict[str, Any]]
    is_calibrated: bool
    has_training: bool


@dataclass(frozen=True, slots=True)
class _Opened:
    members: Members
    calibration: Calibration | None
    training: Appearances | None
    paths: Sequence[Path]

    def facts(self, schema: str) -> dict[str, Any]:
        return {
            "schema": schema,
            "members": self.members.identity(),
            "tta": self.members.tta,
            "temperature": None if self.calibration is None else self.calibration.temperature,
            "training_images": None if self.training is None else len(self.training.scaled),
            "notice": self.members.notice,
        }


def _open(sources: Sources, *, needs_calibration: bool) -> _Opened:
    members = open_members(sources.specs, tta=sources.tta, device=sources.device)
    paths = find_images(sources.inputs, members.reads)
    path = sources.calibration
    if path is None and has_place(sources.specs[0]):
        path = members.checkpoint.parent / NAME
    if path is None and needs_calibration:
        message = f"cannot assess with {sources.specs[0]!r}: no calibration is given, and a name "
        message += "has no place of its own for one."
        hint = "give the file that zoo calibrate wrote: --calibration FILE."
        raise ConfigError(message, where="--calibration", hint=hint)
    calibration = None
    if path is not None and (sources.calibration or needs_calibration or path.is_file()):
        calibration = read_calibration(path)
        calibration.check_members(members, path)
    training = find_training_images(sources.specs[0], members.picture)
    return _Opened(members, calibration, training, paths)


class _Failures:
    """The images that cannot be predicted, which do not stop the others."""

    def __init__(self) -> None:
        self._errors: list[tuple[Path, DataError]] = []

    def assess(self, opened: _Opened, path: Path) -> Assessment | None:
        """Return what is known of an image, or None if it fails."""
        try:
            return assess(opened.members, opened.calibration, opened.training, path)
        except DataError as error:
            self._errors.append((path, error))
            return None

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"file": str(path), "error": error.message, "hint": error.hint}
            for path, error in self._errors
        ]

    def check(self, found: Sequence[object]) -> None:
        """Raise if no image was predicted."""
        if found or not self._errors:
            return
        path, first = self._errors[0]
        if len(self._errors) == 1:
            raise first
        message = f"cannot predict on any of {len(self._errors)} images; the first: {first.message}"
        raise DataError(message, path=path, hint=first.hint) from first


def assess_images(sources: Sources, progress: Progress | None = None) -> Ranked:
    """Write ``assessment.json`` and ``NAME_uncertainty.png`` of each image.

    An image that cannot be read does not stop the others: it is listed under ``failures``.

    Args:
        sources: What is asked; the models must be calibrated.
        progress: Called with images done and images in total.

    Raises:
        DataError: The calibration is missing, damaged or of another checkpoint; no image can be
            read; or a file cannot be written.
        ConfigError: A model is not semantic, or gives no scores; or it is a name, and no
            calibration is given.
        CheckpointError: Weights cannot be read.
    """
    opened = _open(sources, needs_calibration=True)
    rows, files, failures = [], [], _Failures()
    for done, (path, name) in enumerate(zip(opened.paths, names_of(opened.paths), strict=True)):
        each = failures.assess(opened, path)
        if each is not None:
            picture = sources.out / f"{name}_uncertainty.png"
            write_file(picture, map_png(each.entropy))
            files.append(picture)
            rows.append(each.to_json() | {"uncertainty_map": picture.name})
        if progress is not None:
            progress(done + 1, len(opened.paths))
    failures.check(rows)
    target, failed = sources.out / "assessment.json", failures.rows()
    facts = opened.facts("zoo.assessment/1")
    _write_json(target, facts | {"images": rows, "failures": failed})
    return Ranked([target, *files], rows, failed, True, opened.training is not None)


def rank_images(sources: Sources, progress: Progress | None = None) -> Ranked:
    """Write ``ranking.csv``, ``ranking.json`` and ``ranking.png``.

    An image that cannot be read does not stop the others: it is listed under ``failures``, and
    last in the table.

    Args:
        sources: What is asked.
        progress: Called with images done and images in total.

    Raises:
        DataError: A calibration is damaged or of another checkpoint; no image can be read; or a
            file cannot be written.
        ConfigError: A model is not semantic, or gives no scores.
        CheckpointError: Weights cannot be read.
    """
    opened = _open(sources, needs_calibration=False)
    found, failures = [], _Failures()
    for done, path in enumerate(opened.paths, start=1):
        each = failures.assess(opened, path)
        if each is not None:  # thousands of maps would fill the memory
            found.append(replace(each, entropy=_NO_MAP, picture=_NO_PICTURE))
        if progress is not None:
            progress(done, len(opened.paths))
    failures.check(found)
    order = order_of(_scores(found), _scaled(found, opened.training))
    rows = [
        {"place": place, "gain": round(gain, 6), **found[index].to_json()}
        for place, (index, gain) in enumerate(order, start=1)
    ]
    out, failed = sources.out, failures.rows()
    write_file(out / "ranking.csv", _csv(rows, failed))
    facts = opened.facts("zoo.ranking/1")
    _write_json(out / "ranking.json", facts | {"images": rows, "failures": failed})
    shown = [
        assess(opened.members, opened.calibration, opened.training, found[index].path)
        for index, _ in order[:_SHOWN]
    ]
    write_file(out / "ranking.png", draw_sheet(shown))
    files = [out / f"ranking.{suffix}" for suffix in ("csv", "json", "png")]
    is_calibrated, has_training = opened.calibration is not None, opened.training is not None
    return Ranked(files, rows, failed, is_calibrated, has_training)


def _scores(found: Sequence[Assessment]) -> list[float]:
    """Return the mean of the places by uncertainty and by unlikeness, within ``[0, 1]``."""
    parts = [shares_below([each.uncertainty for each in found])]
    if all(each.unlikeness is not None for each in found):
        parts.append(shares_below([each.unlikeness or 0.0 for each in found]))
    return [float(score) for score in np.mean(parts, axis=0)]


def _scaled(found: Sequence[Assessment], training: Appearances | None) -> Any:
    """Return appearances in spreads of the training images, else of the images themselves."""
    table = np.stack([each.appearance for each in found])
    if training is not None:
        return np.stack([training.scale(row) for row in table])
    return (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-3)


_COLUMNS = ("place", "file", "gain", "uncertainty", "unlikeness", "p_like", "unlike")


def _csv(rows: Sequence[dict[str, Any]], failures: Sequence[dict[str, Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_COLUMNS, "least_expected_dice", "error"])
    for row in rows:
        dice = [each["expected_dice"] for each in row["classes"]]
        least = min((each for each in dice if each is not None), default="")
        cells = ["" if row[key] is None else row[key] for key in _COLUMNS]
        writer.writerow([*cells, least, ""])
    for row in failures:
        cells = [row["file"] if key == "file" else "" for key in _COLUMNS]
        writer.writerow([*cells, "", row["error"]])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_file(path, f"{text}\n".encode("utf-8", "backslashreplace"))
