# SPDX-License-Identifier: Apache-2.0
"""Prepare label maps from the labels of another tool: its objects, painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data import CocoFile, Report, Source, polygon_from_box, prepare_semantic
from zoo.errors import DataError
from zoo.interfaces import SourceReader
from zoo_folder_data.classes import ClassList, Color, choose_color, read_class_file
from zoo_folder_data.coco import read_scenes
from zoo_folder_data.labelled import TOP, read_labels
from zoo_folder_data.painting import PaintedSource

__all__ = ["prepare_labels"]

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class _Classes:
    """The classes of the label maps.

    Args:
        names: By id; the first is the background.
        palette: RGB of each.
        ids: Id of each category of the labels, in their order.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    ids: tuple[int, ...]


def prepare_labels(
    source: Source,
    out: Path,
    read: SourceReader,
    report: Report,
    *,
    annotations: str,
    images: str,
    masks: str,
    classes: Path | None,
    group_by: str,
    **settings: Any,
) -> Report:
    """Write the labelled images of a source as a prepared folder of label maps.

    Objects are painted as :func:`zoo_folder_data.painting.paint` says. The background has the id 0:
    a class of that name, or one that is put before the others. Crowds are painted like objects: a
    label map does not tell objects apart.

    Args:
        source: An open source.
        out: Folder to write.
        read: The reader of the format.
        report: The report so far.
        annotations: Path of the label file in the source; empty for all.
        images: Folder of the images.
        masks: ``ellipse`` or ``box``, for objects that have a box alone.
        classes: A ``classes.toml`` whose order the classes get; None for that of the labels.
        group_by: See :func:`zoo_folder_data.layout.find_pairs`.
        **settings: The rest of :func:`zoo.data.prepare_semantic`.

    Raises:
        DataError: The labels or images cannot be read, the classes do not fit, or a split would be
            empty.
    """
    polygon_from_box((0, 0, 1, 1), masks)  # refuses an invalid ``masks`` before reading
    content = read_labels(source, read, report, images=images, only=annotations)
    scenes = read_scenes(
        source,
        TOP,
        content,
        report,
        images=images,
        masks=masks,
        crowds="painted",
        group_by=group_by,
    )
    if scenes.derived:
        report.count("masks made from boxes", scenes.derived)
    found = _order(content, scenes.classes, classes)
    painted = PaintedSource(source, scenes.scenes, found.ids)
    return prepare_semantic(
        painted,
        out,
        pairs=painted.pairs(),
        classes=found.names,
        palette=found.palette,
        encode_mask=painted.encode,
        report=report,
        labels="derived" if scenes.derived else "true",
        options={
            "format": read.name,
            "group_by": group_by,
            "masks": masks if scenes.derived else "",
        },
        palette_masks="index",
        **settings,
    )


def _order(content: CocoFile, categories: Sequence[str], given: Path | None) -> _Classes:
    if given is None:
        first = [name for name in categories if _is_background(name)][:1] or [BACKGROUND]
        names = (*first, *(name for name in categories if name not in first))
        palette = tuple(choose_color(index) for index in range(len(names)))
        return _Classes(names, palette, tuple(map(names.index, categories)))
    listed = read_class_file(given)
    used = {row.category_id for row in content.annotations}
    _check(listed, [name for key, name in content.categories.items() if key in used], given)
    places = {name: index for index, name in enumerate(listed.names)}
    return _Classes(listed.names, listed.palette, tuple(places.get(name, 0) for name in categories))


def _is_background(name: str) -> bool:
    return name.strip(" _").casefold() == BACKGROUND


def _check(listed: ClassList, used: Sequence[str], where: Path) -> None:
    """Raise if pixels of no object would get a class, or an object none."""
    first = listed.names[0]
    if not _is_background(first):
        message = f"cannot paint the labels: found {first!r} as the first class, expected "
        message += f"{BACKGROUND!r}, which pixels of no object get."
        raise DataError(message, path=where, hint=f"list {BACKGROUND!r} first.")
    strange = [name for name in used if name not in listed.names]
    if strange:
        message = f"cannot paint the labels: found objects of {strange[0]!r}, expected "
        message += f"{', '.join(map(repr, listed.names))}."
        raise DataError(message, path=where, hint="list it, or leave out --classes.")
