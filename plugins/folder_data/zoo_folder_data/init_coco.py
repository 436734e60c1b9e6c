# SPDX-License-Identifier: Apache-2.0
"""``zoo data prepare folder_data --task instance --init``: describe the classes of a COCO JSON.

It writes no file: the categories of the JSON are the classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.data import CocoFile, Draft, Report, open_source, read_coco
from zoo.interfaces import SourceReader
from zoo_folder_data.coco import find_coco
from zoo_folder_data.labelled import read_labels

__all__ = ["describe_classes"]


def describe_classes(
    source: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    annotations: str = "",
    format: SourceReader | None = None,
    images: str = "images",
    crowds: str = "regions",
    **_: Any,
) -> Draft:
    """Return the classes of a COCO JSON, their numbers of objects, and the required options.

    Args:
        source: Folder or .zip that holds the JSON.
        progress: Not called, as there is one file.
        annotations: See :func:`zoo_folder_data.prepare_coco.prepare`.
        format: Reader of another format of labels; None for COCO.
        images: Folder of the images.
        crowds: See :func:`zoo_folder_data.prepare_coco.prepare`.

    Returns:
        The findings, without a path.

    Raises:
        DataError: The source has no JSON, or several without ``annotations``, or the JSON is
            invalid.
    """
    with open_source(source) as opened:
        if format is None:
            path = find_coco(opened, annotations)
            content = read_coco(opened.read(path), opened.where(path))
        else:
            path = annotations or format.name
            content = read_labels(opened, format, Report(), images=images, only=annotations)
    is_crowded = bool(content.annotations) and all(row.is_crowd for row in content.annotations)
    options = {"--crowds": "instances"} if is_crowded and crowds == "regions" else {}
    return Draft(None, tuple(_lines(content, path, needs_crowds=bool(options))), options)


def _lines(content: CocoFile, path: str, *, needs_crowds: bool) -> list[str]:
    counts = Counter(row.category_id for row in content.annotations)
    named = ", ".join(f"{name} ({counts[key]})" for key, name in content.categories.items())
    lines = [
        f"nothing to write: the classes are the categories of {path!r}",
        f"classes, with their objects: {named}",
    ]
    empty = [name for key, name in content.categories.items() if not counts[key]]
    if empty:
        what = ", ".join(repr(name) for name in empty)
        lines.append(
            f"Without an object: {what}. Remove it from 'categories' if it is not a class."
        )
    boxes = sum(not row.segmentation for row in content.annotations)
    if boxes:
        lines.append(f"{boxes} objects have a box alone: --masks says what is made from it.")
    if needs_crowds:
        lines.append("Each object has iscrowd 1, so the next command takes them as instances.")
    return lines
