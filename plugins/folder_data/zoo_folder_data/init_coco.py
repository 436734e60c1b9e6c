# SPDX-License-Identifier: Apache-2.0
"""``zoo data prepare folder_data --task instance --init``: what a COCO JSON says of its classes.

There is no file to write: the categories of the JSON are the classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.data import CocoFile, Draft, open_source, read_coco
from zoo_folder_data.coco import find_coco

__all__ = ["describe_classes"]


def describe_classes(
    source: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    annotations: str = "",
    crowds: str = "regions",
    **_: Any,
) -> Draft:
    """Return the classes of a COCO JSON with their objects, and the options that it needs.

    Args:
        source: Folder or .zip that holds the JSON.
        progress: Not called: one file is read.
        annotations: Path of the JSON in the source; empty for the only one.
        crowds: As of :func:`zoo_folder_data.prepare_coco.prepare`.

    Returns:
        No path: nothing is written.

    Raises:
        DataError: There is no JSON, or several and none is named, or it breaks its format.
    """
    with open_source(source) as opened:
        path = find_coco(opened, annotations)
        content = read_coco(opened.read(path), opened.where(path))
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
