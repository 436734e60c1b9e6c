# SPDX-License-Identifier: Apache-2.0
"""What ``zoo predict`` left in a folder: which model predicted, and the files of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["Batch", "Predicted", "read_batch"]

JSON_NAME = "predictions.json"
SCHEMA = "zoo.prediction/1"
_LIMITS = Limits(2**31, values=1_000_000_000)  # as large as zoo predict writes it
_ENDINGS = {"label": "_label.png", "overlay": "_overlay.png"}


@dataclass(frozen=True, slots=True)
class Predicted:
    """An image and the files beside it.

    Args:
        file: The image, as it was given to ``zoo predict``.
        name: Stem of the files that are written for it; no other image has it.
        label: Its label map; None if there is none.
        overlay: Its overlay; None if there is none.
        height_px: Of the image.
        width_px: Of the image.
        objects: Of an instance model, index of the class and run lengths of each, best first.
    """

    file: str
    name: str
    label: Path | None
    overlay: Path | None
    height_px: int
    width_px: int
    objects: tuple[tuple[int, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of predictions.

    Args:
        task: ``semantic`` or ``instance``.
        model: ``name``, ``config``, ``checkpoint`` and ``sha256``; each a text or None.
        classes: Names, by id.
        palette: RGB of each.
        notice: What everyone who sees a result should read; empty if there is nothing.
        images: The images.
    """

    task: str
    model: Mapping[str, str | None]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    notice: str
    images: tuple[Predicted, ...]


def read_batch(results: Path) -> Batch:
    """Return the batch in a folder of ``zoo predict``.

    Args:
        results: The folder, or its ``predictions.json``.

    Raises:
        DataError: There is none, or it is of another form.
    """
    path = results / JSON_NAME if results.is_dir() else results
    try:
        content = read_json(path, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot read the predictions: {reason_of(error)}."
        hint = "give a folder that `zoo predict IMAGE... --out FOLDER` wrote."
        raise DataError(message, path=path, hint=hint) from error
    try:
        return _batch(path.parent, content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        message = f"cannot read the predictions: found {shown(error)}, expected {SCHEMA!r}."
        raise DataError(message, path=path, hint="predict again.") from error


def _batch(folder: Path, content: Mapping[str, Any]) -> Batch:
    if content["schema"] != SCHEMA:
        raise ValueError(content["schema"])
    model = {
        key: _text(content["model"][key]) for key in ("name", "config", "checkpoint", "sha256")
    }
    names = _names(content["images"])
    objects = _objects(folder, content) if content["task"] == "instance" else {}
    images = [
        Predicted(
            file=str(row["file"]),
            name=name,
            label=_beside(folder, row.get("label")),
            overlay=_beside(folder, row["overlay"]),
            height_px=int(row["height_px"]),
            width_px=int(row["width_px"]),
            objects=tuple(objects.get(number, ())),
        )
        for number, (row, name) in enumerate(zip(content["images"], names, strict=True), 1)
    ]
    red_green_blue = [(int(r), int(g), int(b)) for r, g, b in content["palette"]]
    classes = tuple(map(str, content["classes"]))
    if len(red_green_blue) != len(classes):
        raise ValueError(content["palette"])
    notice = _text(content["notice"]) or ""
    return Batch(str(content["task"]), model, classes, tuple(red_green_blue), notice, tuple(images))


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(value)
    return value


def _beside(folder: Path, name: Any) -> Path | None:
    """Return a file of the folder; whatever leads out of it is refused."""
    if name is None:
        return None
    if not isinstance(name, str) or PurePath(name).name != name:
        raise ValueError(name)
    return folder / name


def _names(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the stem of each image's files; where it has none, that of the image."""
    taken: set[str] = set()
    for row in rows:
        stems = [
            str(row[key]).removesuffix(ending) for key, ending in _ENDINGS.items() if row.get(key)
        ]
        stem = PurePath(stems[0] if stems else str(row["file"])).name or "image"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        yield name


def _objects(
    folder: Path, content: Mapping[str, Any]
) -> dict[int, list[tuple[int, Mapping[str, Any]]]]:
    """Return the objects of an instance model by the number of their image, from its COCO JSON."""
    path = _beside(folder, content["coco"])
    if path is None:
        raise ValueError(content["coco"])
    found: dict[int, list[tuple[int, Mapping[str, Any]]]] = {}
    for row in read_json(path, _LIMITS)["annotations"]:
        rle = row["segmentation"]
        found.setdefault(int(row["image_id"]), []).append((int(row["category_id"]) - 1, rle))
    return found
