# SPDX-License-Identifier: Apache-2.0
"""Read the raw layout into scenes with tanks: which rows are kept, repaired or dropped, and why.

The rules, in this order; ``zoo.data``, which knows the size of the image, treats its edges.

==========================================  =============================
a row whose                                 is
==========================================  =============================
class is not ``oil-storage-tank``           dropped
image does not exist                        dropped
bounds are not four numbers                 dropped
corners are swapped (x1 < x0 or y1 < y0)    repaired: swapped back
box has no width or no height               dropped
box repeats an earlier row of its image     dropped
box is outside the image                  dropped (``zoo.data``)
mask has no pixel in the image              dropped (``zoo.data``)
box reaches beyond the image                repaired: cut (``zoo.data``)
==========================================  =============================
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from zoo.data import (
    IMAGE_SUFFIXES,
    Instance,
    Report,
    Scene,
    Source,
    SourceFile,
    compose,
    polygon_from_box,
)
from zoo.errors import DataError
from zoo_oil_storage.annotations import Row, parse_bounds, read_rows
from zoo_oil_storage.facts import CLASSES

__all__ = ["find_scenes"]

CSV, IMAGES, EXTRAS = "annotations.csv", "images", "extras"

OTHER_CLASS = f"class is not {CLASSES[0]!r}"
NO_IMAGE = "there is no image of this id"
NO_BOUNDS = "bounds are not four numbers"
SWAPPED = "corners were swapped: put in order"
NO_AREA = "box has no area"
REPEATED = "box of an earlier row of the same image"

Box = tuple[float, float, float, float]


def find_scenes(source: Source, report: Report, *, masks: str) -> list[Scene]:
    """Return every image with its tanks, and report every row that is dropped or repaired.

    ``annotations.csv`` and ``images/`` are at the top of the source or in any folder of it. An
    image without a row is a scene without a tank. Each scene is a group.

    Args:
        source: An open source.
        report: Receives a line for every row and file that is changed or not used.
        masks: ``ellipse`` or ``box``: mask made from a tank's box.

    Raises:
        DataError: The source has no known layout, or has it twice; the file cannot be read; two
            images have the same stem; or no row is usable.
    """
    root = _find_root(source)
    path = str(root / CSV)
    images = _find_images(source, root, report)
    rows = read_rows(source.read(path), source.where(path))
    report.count("rows", len(rows))
    boxes = _sort_rows(rows, images, path, report)
    if not any(boxes.values()):
        first = min(report.dropped, key=lambda line: len(line.file), default=None)
        reason = f" (first: {first.text})" if first else ""
        message = f"cannot use 'annotations.csv': none of its {len(rows)} rows can be used{reason}."
        example = next(iter(images))
        hint = (
            f"image_id is an image's name without suffix, such as {example!r}; bounds are four px."
        )
        raise DataError(message, path=source.where(path), hint=hint)
    return [
        Scene(
            stem=stem,
            group=stem,
            image=image.path,
            instances=tuple(
                Instance(box, 0, [polygon_from_box(box, masks)], f"{path}:{line}", repair=repair)
                for box, (line, repair) in boxes[stem].items()
            ),
        )
        for stem, image in images.items()
    ]


def _find_root(source: Source) -> PurePosixPath:
    roots = [PurePosixPath(file.path).parent for file in source.files() if file.name == CSV]
    if not roots:
        found = ", ".join(repr(file.path) for file in source.files()[:5]) or "nothing"
        message = f"cannot find the tanks: found {found}, expected {CSV!r} beside {IMAGES!r}."
        hint = "give the folder or .zip of the Airbus oil storage data."
        raise DataError(message, path=source.path, hint=hint)
    if len(roots) > 1:
        message = f"cannot choose between two sets: found {CSV!r} in {str(roots[0])!r} and "
        message += f"{str(roots[1])!r}."
        raise DataError(message, path=source.path, hint="give one of the two folders.")
    return roots[0]


def _find_images(source: Source, root: PurePosixPath, report: Report) -> dict[str, SourceFile]:
    images: dict[str, SourceFile] = {}
    for file in source.files():
        folder = PurePosixPath(file.path).parent
        if folder == root / EXTRAS and file.suffix in IMAGE_SUFFIXES:
            report.drop(file.path, f"image of {EXTRAS!r}: it has no annotations")
        if folder != root / IMAGES:
            continue
        if file.suffix not in IMAGE_SUFFIXES:
            report.drop(file.path, f"not an image, by its suffix {file.suffix!r}")
        elif file.stem in images:
            message = f"cannot tell which file is the image {file.stem!r}: found "
            message += f"{images[file.stem].path!r} and {file.path!r}, expected one."
            hint = "take one of the two out of the source."
            raise DataError(message, path=source.where(file.path), hint=hint)
        else:
            images[file.stem] = file
    if not images:
        message = f"cannot find the images: found none in {str(root / IMAGES)!r}."
        hint = f"the images belong in {IMAGES!r}, beside {CSV!r}."
        raise DataError(message, path=source.where(str(root / IMAGES)), hint=hint)
    return images


def _sort_rows(
    rows: Iterable[Row], images: dict[str, SourceFile], path: str, report: Report
) -> dict[str, dict[Box, tuple[int, str]]]:
    """Return the boxes of each image with their lines and repairs."""
    # In either Unicode form, with or without the suffix.
    alike = {compose(stem): stem for stem in images}
    alike |= {compose(file.name): stem for stem, file in images.items()}
    alike |= {stem: stem for stem in images}
    boxes: dict[str, dict[Box, tuple[int, str]]] = {stem: {} for stem in images}
    for row in rows:
        where = f"{path}:{row.line}"
        stem = alike.get(row.image_id) or alike.get(compose(row.image_id))
        bounds = parse_bounds(row.bounds)
        if row.name != CLASSES[0]:
            report.drop(where, OTHER_CLASS)
        elif stem is None:
            report.drop(where, NO_IMAGE)
        elif bounds is None:
            report.drop(where, NO_BOUNDS)
        else:
            _keep_box(bounds, row.line, boxes[stem], where, report)
    return boxes


def _keep_box(
    bounds: Box, line: int, boxes: dict[Box, tuple[int, str]], where: str, report: Report
) -> None:
    x0, y0, x1, y1 = bounds
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    if box[0] == box[2] or box[1] == box[3]:
        report.drop(where, NO_AREA)
    elif box in boxes:
        report.drop(where, REPEATED)
    else:
        boxes[box] = line, SWAPPED if box != bounds else ""
