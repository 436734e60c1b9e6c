# SPDX-License-Identifier: Apache-2.0
"""Label Studio's JSON: annotations read, predictions written for people to correct."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from zoo.data import IMAGE_SUFFIXES, Report, Source, replace_file
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_label_exchange.brush import BrushError, pack, unpack
from zoo_label_exchange.label_files import LabelFile, classes_of, is_size
from zoo_label_exchange.masks import EMPTY, filled, from_pixels, to_pixels
from zoo_label_exchange.shapes import (
    NO_NUMBER,
    ellipse,
    read_box,
    read_outline,
    rotated_box,
)

__all__ = ["LabelStudio"]

BRUSHED = "polygons with holes or of several parts: written as a brush"
UNSURE = "task without an annotation: predictions that nobody confirmed are not read"
CANCELLED = "annotation was skipped by its author"
SECOND = "second annotation of its task: the first is read"
NO_CROWD = "Label Studio has no crowds"
NO_SIZE = "result states no size of its image"

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
_KINDS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels")
_LOCAL = "/data/local-files/?d="


class LabelStudio:
    """Label Studio's JSON export, and tasks with predictions for its import.

    Brushes, polygons, ellipses and turned rectangles are objects, an upright rectangle is a box
    alone, choices are tags. Coordinates are percent of the image's sides.

    Source:
        https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions; the
        brush as label_studio_converter/brush.py reads it.
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the image of each task that has an annotation.

        Args:
            source: A folder or a zip.
            files: Exports in the format JSON.
            report: Receives tasks and results that are left out, and what is mended.

        Raises:
            DataError: A file is no export of Label Studio.
        """
        names: dict[str, list[str]] = {}
        for file in source.files():
            names.setdefault(file.name, []).append(file.path)
        found = (_read(LabelFile(source, path, "Label Studio"), names, report) for path in files)
        images = [image for several in found for image in several]
        return Labels(classes=classes_of(images), images=images)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write one task for each image, with its objects as a prediction.

        Images are named as files of a local storage. Masks are results of a tag ``brush`` and
        polygons of a tag ``polygon``, both of the image ``image``.

        Args:
            labels: What to write.
            out: The file.
            report: Receives images without a size, tags, crowds, masks without a pixel, and
                polygons that became brushes.
        """
        tasks = []
        for image in labels.images:
            for tag in image.tags:
                report.drop(image.name, f"a label of the whole image is not written: {tag!r}")
            if image.size is None:
                report.drop(image.name, "its size is unknown, and results are percent of it")
                continue
            results = list(_results(image, image.size, report))
            task: dict[str, Any] = {"data": {"image": _LOCAL + quote(image.name)}}
            scores = [row["score"] for row in results if "score" in row]
            prediction = {"model_version": "zoo", "result": results}
            if scores:
                prediction["score"] = round(sum(scores) / len(scores), 4)
            tasks.append({**task, "predictions": [prediction]})
        text = json.dumps(tasks, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        replace_file(out, f"{text}\n".encode())


def _read(
    file: LabelFile, names: Mapping[str, Sequence[str]], report: Report
) -> Iterator[LabelledImage]:
    tasks = file.json()
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    ):
        file.refuse(
            "it is no list of tasks with 'data'", "export the project as JSON, not as JSON-MIN."
        )
    for number, task in enumerate(tasks, 1):
        where = f"{file.path}:task {task.get('id', number)}"
        annotation = _chosen(task, where, report)
        if annotation is not None:
            results = annotation.get("result") or []
            if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
                file.refuse(f"task {task.get('id', number)} has no list of results")
            yield _image(file, task, results, where, names, report)


def _chosen(task: dict[str, Any], where: str, report: Report) -> dict[str, Any] | None:
    """Return the first annotation of a task that its author did not skip."""
    chosen = None
    annotations = task.get("annotations") or task.get("completions") or ()
    for each in annotations if isinstance(annotations, list) else ():
        if not isinstance(each, dict) or each.get("was_cancelled"):
            report.drop(where, CANCELLED)
        elif chosen is None:
            chosen = each
        else:
            report.drop(where, SECOND)
    if chosen is None:
        report.drop(where, UNSURE)
    return chosen


def _image(
    file: LabelFile,
    task: dict[str, Any],
    results: list[dict[str, Any]],
    where: str,
    names: Mapping[str, Sequence[str]],
    report: Report,
) -> LabelledImage:
    size = _size(file, results, where)
    objects: list[LabelledObject] = []
    tags: list[str] = []
    for number, row in enumerate(results, 1):
        kind, value, place = row.get("type"), row.get("value"), f"{where} result {number}"
        if not isinstance(value, dict) or kind not in (*_KINDS, "choices"):
            report.drop(place, f"a result {kind!r:.80} is no region")
        elif kind == "choices":
            tags += map(str, value.get("choices") or ())
        elif size is None:
            report.drop(place, NO_SIZE)
        else:
            objects += _objects(kind, value, size, place, report)
    name = _name(_link(file, task["data"], where), names)
    return LabelledImage(name=name, size=size, objects=tuple(objects), tags=tuple(tags))


def _size(file: LabelFile, results: list[dict[str, Any]], where: str) -> tuple[int, int] | None:
    """Return the size of an image that its results state; None if none does."""
    stated = [
        tuple(map(_whole, (row.get("original_width"), row.get("original_height"))))
        for row in results
    ]
    sizes = {size for size in stated if size != (None, None)}
    if len(sizes) > 1:
        file.refuse(f"results of {where.rpartition(':')[2]} disagree about the size of its image")
    size = next(iter(sizes), None)
    if size is not None and not is_size(*size):
        file.refuse(f"results of {where.rpartition(':')[2]} state no size that an image can have")
    return size  # type: ignore[return-value]


def _whole(side: object) -> int | str | None:
    """Return a side as a whole number, None as it is, and whatever else as a text."""
    if isinstance(side, float) and side.is_integer():
        return int(side)
    return side if side is None or type(side) is int else "none"


def _link(file: LabelFile, data: dict[str, Any], where: str) -> str:
    """Return the link to the image: the key ``image``, or the only text that can be one."""
    texts = [value for value in data.values() if isinstance(value, str)]
    links = [text for text in texts if text.lower().endswith(tuple(IMAGE_SUFFIXES))] or texts
    link = data.get("image", links[0] if len(links) == 1 else None)
    if not isinstance(link, str) or not link:
        file.refuse(f"{where.rpartition(':')[2]} names no image under 'data'")
    return link


def _name(link: str, names: Mapping[str, Sequence[str]]) -> str:
    """Return the path that a link means: a file of the source, by its end, or the link's own name.

    Label Studio puts eight hex digits before the name of a file that was uploaded.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # no link at all
        return link
    path = (
        parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
        if parts.query
        else unquote(parts.path)
    )
    path = path.lstrip("/")
    bare = posixpath.join(posixpath.dirname(path), _UPLOAD.sub("", posixpath.basename(path)))
    for candidate in (path, bare):
        named = names.get(posixpath.basename(candidate), ())
        words = candidate.split("/")
        for start in range(len(words)):
            end = "/".join(words[start:])
            found = [name for name in named if f"/{name}".endswith(f"/{end}")]
            if len(found) == 1:
                return found[0]
    return posixpath.basename(bare)


def _objects(
    kind: str, value: dict[str, Any], size: tuple[int, int], where: str, report: Report
) -> Iterator[LabelledObject]:
    """Yield the object of a result; one for each of its labels."""
    names = value.get(kind) or value.get("labels")
    if not isinstance(names, list) or not names or not all(names):
        report.drop(where, "result has no label")
        return
    try:
        shape = _shape(kind, value, size, where, report)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        report.drop(where, str(error) if isinstance(error, BrushError) else NO_NUMBER)
        return
    if shape:
        for name in names:
            yield LabelledObject(label=str(name), source=where, **shape)


def _shape(
    kind: str, value: dict[str, Any], size: tuple[int, int], where: str, report: Report
) -> dict[str, Any]:
    """Return the shape of a result as keywords of an object; none if it is left out."""
    if kind == "brushlabels":
        mask = unpack(value["rle"], *size)
        if not mask.any():
            report.drop(where, "brush has no pixel")
            return {}
        return {"rle": from_pixels(mask)}
    across, down = size[0] / 100, size[1] / 100
    if kind == "polygonlabels":
        points = [(float(x) * across, float(y) * down) for x, y in value["points"]]
    elif kind == "ellipselabels":
        centre = (value["x"] * across, value["y"] * down)
        radii = (value["radiusX"] * across, value["radiusY"] * down)
        points = ellipse(centre, radii, float(value.get("rotation") or 0))
    else:
        left, top = value["x"] * across, value["y"] * down
        box = (left, top, left + value["width"] * across, top + value["height"] * down)
        turn = float(value.get("rotation") or 0)
        if not turn:
            whole = read_box(box, where, report)
            return {} if whole is None else {"box": whole}
        points = rotated_box(box, (left, top), turn)
    polygons = read_outline(points, where, report)
    return {"polygons": polygons} if polygons else {}


def _results(
    image: LabelledImage, size: tuple[int, int], report: Report
) -> Iterator[dict[str, Any]]:
    """Yield the objects of an image as results."""
    for number, each in enumerate(image.objects, 1):
        where = each.source or image.name
        if each.is_crowd:
            report.drop(where, NO_CROWD)
            continue
        common: dict[str, Any] = {
            "id": f"object{number}",
            "to_name": "image",
            "original_width": size[0],
            "original_height": size[1],
            "image_rotation": 0,
        }
        if each.score is not None:
            common["score"] = round(each.score, 4)
        if result := _result(each, size, where, report):
            yield {**common, **result}


def _result(
    each: LabelledObject, size: tuple[int, int], where: str, report: Report
) -> dict[str, Any]:
    """Return the keys of an object that its shape decides; none if it is left out."""
    across, down = 100 / size[0], 100 / size[1]
    if each.rle is None and not each.polygons and each.box is not None:
        left, top, right, bottom = each.box
        value: dict[str, Any] = {"x": left * across, "y": top * down, "rotation": 0}
        value |= {"width": (right - left) * across, "height": (bottom - top) * down}
        return _of_kind("rectangle", value, each.label)
    if len(each.polygons) == 1 and not each.polygons[0].holes:
        outline = np.reshape(each.polygons[0].outline, (-1, 2)) * (across, down)
        return _of_kind("polygon", {"points": outline.tolist(), "closed": True}, each.label)
    mask = to_pixels(filled(each, size)).astype(bool)
    if not mask.any():
        report.drop(where, EMPTY)
        return {}
    if each.polygons:
        report.repair(where, BRUSHED)
    return _of_kind("brush", {"format": "rle", "rle": pack(mask)}, each.label)


def _of_kind(kind: str, value: dict[str, Any], label: str) -> dict[str, Any]:
    """Return the keys of a result that depend on its tag."""
    key = f"{kind}labels"
    return {"type": key, "from_name": kind, "value": {**value, key: [label]}}
