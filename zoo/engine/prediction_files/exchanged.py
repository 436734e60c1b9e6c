# SPDX-License-Identifier: Apache-2.0
"""Predictions as labels that a plugin writes in another format, for people to correct."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import read_picture
from zoo.data.coco.runs import rle_of_places
from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.engine.overlays.palette import is_background
from zoo.engine.prediction_files.label_raster import read_label_raster
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels

if TYPE_CHECKING:
    from zoo.data import Report
    from zoo.engine.exchanges import FormatWriter

__all__ = ["Exchanged", "write_exchanged"]

_LIMITS = Limits(2**31, values=1_000_000_000)  # what this batch has written


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Predictions in another format.

    Args:
        path: The file.
        report: What the format could not say.
    """

    path: Path
    report: Report


def write_exchanged(
    document: Path, write: FormatWriter, task: str, classes: Sequence[str]
) -> Exchanged:
    """Write the results of a batch in another format, beside its JSON.

    Images are named by their paths below the folder that holds them all. Each instance is one
    object with its score. Of a label map, each class is one object, except the background.

    Args:
        document: The ``predictions.json`` of the batch.
        write: The writer of the format.
        task: Of the model.
        classes: Of the model, by id.

    Raises:
        DataError: The file cannot be written, or the batch is too large for it.
        PluginError: The plugin's code is at fault.
    """
    content = _read(document)
    entries: list[dict[str, Any]] = content["images"]
    palette = [(red, green, blue) for red, green, blue in content["palette"]]
    named = [*zip(classes, palette, strict=True)]
    if task == "semantic":
        images = _of_label_maps(document.parent, entries, classes)
        named = [each for each in named if not is_background(each[0])]
    else:
        images = _of_instances(document.parent / content["coco"], entries, classes)
    path = document.with_name(f"{write.name}_labels{write.suffix}")
    labels = Labels(
        classes=tuple(name for name, _ in named),
        images=images,
        palette=tuple(color for _, color in named),
        score_thr=entries[0].get("score_thr") if entries else None,
    )
    return Exchanged(path, write(labels, path))


def _read(path: Path) -> Any:
    """Return a file of this batch; it may have grown beyond what one object in memory can be."""
    try:
        return read_json(path, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot write {path.name!r} in another format: {reason_of(error)}."
        hint = "predict the images in several batches, each with its own --out."
        raise DataError(message, path=path, hint=hint) from error


def _of_instances(
    coco: Path, entries: Sequence[dict[str, Any]], classes: Sequence[str]
) -> Iterator[LabelledImage]:
    content = _read(coco)
    places = {entry["file"]: _place(entry) for entry in entries}
    names = _short_names([image["file_name"] for image in content["images"]])
    objects: dict[int, list[LabelledObject]] = {image["id"]: [] for image in content["images"]}
    for row in content["annotations"]:
        left, top, width_px, height_px = row["bbox"]
        each = LabelledObject(
            label=classes[row["category_id"] - 1],
            rle=row.get("segmentation"),
            box=(left, top, left + width_px, top + height_px),
            score=row["score"],
            id=row["id"],
        )
        objects[row["image_id"]].append(each)
    for image, name in zip(content["images"], names, strict=True):
        size, place = (image["width"], image["height"]), places.get(image["file_name"], {})
        yield LabelledImage(name=name, size=size, objects=tuple(objects[image["id"]]), **place)


def _of_label_maps(
    folder: Path, entries: Sequence[dict[str, Any]], classes: Sequence[str]
) -> Iterator[LabelledImage]:
    for entry, name in zip(entries, _short_names([each["file"] for each in entries]), strict=True):
        path = folder / entry["label"]
        is_raster = path.suffix == ".tif"
        labels = read_label_raster(path) if is_raster else read_picture(path).pixels
        height_px, width_px = labels.shape
        columns_first = labels.ravel(order="F")
        objects = []
        for index, label in enumerate(classes):
            places = np.flatnonzero(columns_first == index)
            if places.size and not is_background(label):
                rle = rle_of_places(places, height_px, width_px)
                objects.append(LabelledObject(label=label, rle=rle))
        size, place = (width_px, height_px), _place(entry)
        yield LabelledImage(name=name, size=size, objects=tuple(objects), **place)


def _place(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the location of an image, if it has one, as fields of `LabelledImage`."""
    found = entry.get("georeference")
    return {"crs": found["crs"], "transform": tuple(found["transform"])} if found else {}


def _short_names(files: Sequence[str]) -> list[str]:
    """Return paths below the deepest folder that holds all files."""
    parents = {os.path.dirname(os.path.abspath(file)) for file in files}
    top = os.path.commonpath(parents)
    return [PurePath(os.path.relpath(os.path.abspath(file), top)).as_posix() for file in files]
