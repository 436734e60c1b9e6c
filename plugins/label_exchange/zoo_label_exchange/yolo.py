# SPDX-License-Identifier: Apache-2.0
"""YOLO's text files of boxes and outlines: one for each image, in shares of its sides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from zoo.data import IMAGE_SUFFIXES, Report, Source, compose, read_header
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_label_exchange.label_files import LabelFile
from zoo_label_exchange.shapes import read_box, read_outline

__all__ = ["Yolo"]

NO_FILE = "image without a file of labels: it shows no object"
NO_IMAGE = "text file without an image of its name"
NO_LINE = "line is no class with a box or an outline"
CONFIDENCE = "confidences left out"

_KIND = "YOLO"
_NAMES = "write names: [first, second, ...]."
_MOST_BYTES = 2**20
_MOST_LABEL_BYTES = 2**28
_BOX_NUMBERS = 4
_LEAST_NUMBERS = 6
_NUMBER = re.compile(r"[0-9]{1,9}")


class Yolo:
    """YOLO-seg text files, and those of boxes.

    A line is a class and x and y of each corner; with four numbers it is a box alone, by its
    centre. The image lies where its path has ``images`` in place of the last ``labels``, or beside
    the file. The names of classes are in ``data.yaml`` or ``classes.txt``. Parts that were joined
    to one outline by a line stay one outline.

    Source:
        https://docs.ultralytics.com/datasets/segment, and ``img2label_paths`` and
        ``verify_image_label`` of ultralytics/data/utils.py: an image without a file is one without
        objects.
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the image of each file, and images beside them that have none.

        Args:
            source: A folder or a zip.
            files: Text files.
            report: Receives lines and files that are left out, and what is mended.

        Raises:
            DataError: A file names a class that has no name, there are no names, or the image of
                a file in a folder ``labels`` is missing.
        """
        names = _read_names(source, files[0])
        pictures = {
            compose(str(PurePosixPath(file.path).with_suffix(""))): file.path
            for file in source.files()
            if file.suffix in IMAGE_SUFFIXES
        }
        # A file that is not among those to read is one too: its image is not without objects.
        others = {
            compose(_image_key(file.path)) for file in source.files() if file.suffix == ".txt"
        }
        images, folders = [], set()
        for path in files:
            key = _image_key(path)
            picture = pictures.pop(compose(key), None)
            if picture is not None:
                folders.add(str(PurePosixPath(picture).parent))
                file = LabelFile(source, path, _KIND)
                images.append(_read(source, file, picture, names, report))
            elif "labels" in PurePosixPath(path).parts[:-1]:
                LabelFile(source, path, _KIND).refuse(
                    f"there is no image {key!r}", "put the images into 'images', beside 'labels'."
                )
            elif PurePosixPath(path).name != "classes.txt":
                report.drop(path, NO_IMAGE)
        for key, picture in sorted(pictures.items()):
            if key not in others and str(PurePosixPath(picture).parent) in folders:
                report.note(picture, NO_FILE)
                size = read_header(source.read(picture), source.where(picture)).size
                images.append(LabelledImage(name=picture, size=size))
        return Labels(classes=tuple(names.values()), images=images)


def _image_key(path: str) -> str:
    """Return the path of the image of a file, without its suffix."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "labels":
            parts[place] = "images"
            break
    return "/".join(parts)


def _read_names(source: Source, first: str) -> dict[int, str]:
    """Return the names of classes by their numbers, ascending."""
    paths = [file.path for file in source.files() if file.suffix in (".yaml", ".yml")]
    found = {path: names for path in paths if (names := _names_in(source, path))}
    listed = [file.path for file in source.files() if file.name == "classes.txt"]
    for path in listed if not found else ():
        lines = _text(LabelFile(source, path, _KIND), source).splitlines()
        found[path] = {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    if not found:
        LabelFile(source, first, _KIND).refuse(
            "no file names its classes",
            "put data.yaml with 'names' into the source, or choose another --format.",
        )
    (path, names), *others = found.items()
    for other, others_names in others:
        if others_names != names:
            LabelFile(source, other, _KIND).refuse(
                f"its names of classes differ from those of {path!r}", "remove one of the two."
            )
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        LabelFile(source, path, _KIND).refuse(f"it names the class {twice[0]!r} twice", _NAMES)
    return names


def _names_in(source: Source, path: str) -> dict[int, str]:
    """Return the names in a YAML file, or none if it is of something else."""
    file = LabelFile(source, path, _KIND)
    try:
        # Texts alone: a class `no` stays `no`, and a tag makes no object.
        content: Any = yaml.load(_text(file, source), yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        file.refuse(f"it is not YAML ({type(error).__name__})", "correct it, or remove it.")
    names = content.get("names") if isinstance(content, Mapping) else None
    if not isinstance(names, (Mapping, list)):
        return {}
    if "kpt_shape" in content:
        file.refuse("it describes keypoints, which are no regions", "choose labels of regions.")
    pairs = list(names.items() if isinstance(names, Mapping) else enumerate(names))
    found = {}
    for number, name in pairs:
        if not _NUMBER.fullmatch(str(number)) or not isinstance(name, str) or not name:
            file.refuse(f"class {number!r:.80} has no number or no name", _NAMES)
        found[int(number)] = name
    return {number: found[number] for number in sorted(found)}


def _text(file: LabelFile, source: Source, most_bytes: int = _MOST_BYTES) -> str:
    data = source.read(file.path)
    if len(data) > most_bytes:
        file.refuse(f"it has {len(data):,} bytes, expected at most {most_bytes:,}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        file.refuse(f"it is not UTF-8 ({error.reason} at byte {error.start})")


def _read(
    source: Source, file: LabelFile, picture: str, names: Mapping[int, str], report: Report
) -> LabelledImage:
    size = read_header(source.read(picture), source.where(picture)).size
    objects = []
    for number, line in enumerate(_text(file, source, _MOST_LABEL_BYTES).splitlines(), 1):
        if line.strip():
            where = f"{file.path}:{number}"
            objects += _read_line(line.split(), size, names, file, where, report)
    return LabelledImage(name=picture, size=size, objects=tuple(objects))


def _read_line(
    words: list[str],
    size: tuple[int, int],
    names: Mapping[int, str],
    file: LabelFile,
    where: str,
    report: Report,
) -> list[LabelledObject]:
    """Return the object of a line, or none if it is left out."""
    try:
        category, numbers = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        report.drop(where, NO_LINE)
        return []
    if len(numbers) in (_BOX_NUMBERS + 1, *range(_LEAST_NUMBERS + 1, len(numbers) + 1, 2)):
        numbers.pop()
        report.count(CONFIDENCE, 1)
    if len(numbers) < _LEAST_NUMBERS and len(numbers) != _BOX_NUMBERS:
        report.drop(where, NO_LINE)
        return []
    if category not in names:
        file.refuse(
            f"line {where.rpartition(':')[2]} is of class {words[0]}, which has no name",
            "add it to 'names' in data.yaml.",
        )
    label, (width, height) = names[int(category)], size
    if len(numbers) == _BOX_NUMBERS:
        x, y, across, down = (value * side for value, side in zip(numbers, size * 2, strict=True))
        corners = (x - across / 2, y - down / 2, x + across / 2, y + down / 2)
        box = read_box(corners, where, report)
        return [] if box is None else [LabelledObject(label=label, box=box, source=where)]
    points = [(x * width, y * height) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    polygons = read_outline(points, where, report)
    return [LabelledObject(label=label, polygons=polygons, source=where)] if polygons else []
