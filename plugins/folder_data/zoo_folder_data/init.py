# SPDX-License-Identifier: Apache-2.0
"""``zoo data prepare folder_data --init``: draft a ``classes.toml`` from the masks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.data import IGNORE_INDEX, Draft, Pair, Report, Source, open_source
from zoo.errors import DataError
from zoo.interfaces import SourceReader
from zoo_folder_data.arrangement import guess_arrangement
from zoo_folder_data.class_names import find_class_names
from zoo_folder_data.draft import ClassesDraft, draft_classes
from zoo_folder_data.guess import count_regions
from zoo_folder_data.init_coco import describe_classes
from zoo_folder_data.layout import CLASSES_FILE, Layout, find_layout, find_pairs
from zoo_folder_data.survey import Survey, survey_source

__all__ = ["no_masks", "places_of_names", "write_classes"]

_START = re.compile("^(.+)[_-][^_-]+$")


def write_classes(
    source: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    classes: Path | None = None,
    images: str = "images",
    masks: str = "masks",
    image_suffix: str = "",
    mask_suffix: str = "",
    group_by: str = "",
    format: SourceReader | None = None,
    annotations: str = "",
    **_: Any,
) -> Draft:
    """Write a ``classes.toml`` that fits the masks of a source, for the user to edit.

    If the options do not lead to images and masks, they are searched for, and the options that
    ``prepare`` then needs are returned.

    Args:
        source: Folder or .zip that holds images and masks.
        progress: Called with the number of masks done and in total.
        classes: File to write; None for ``classes.toml`` beside the two folders, or beside the zip.
        images: Folder of the images.
        masks: Folder of the masks.
        image_suffix: See :func:`zoo_folder_data.layout.find_pairs`.
        mask_suffix: As above.
        group_by: As above; proposed if it is empty and names have common prefixes.
        format: Reader of labels of another tool, whose classes are described; nothing is written.
        annotations: Path of its label file in the source; empty for all.

    Returns:
        The file, the findings, and the options.

    Raises:
        DataError: The file exists or cannot be written, images and masks are not found, or the
            masks do not look like masks.
    """
    if format is not None:
        return describe_classes(
            source, annotations=annotations, format=format, images=images, crowds="painted"
        )
    given = {
        "--images": images,
        "--masks": masks,
        "--image-suffix": image_suffix,
        "--mask-suffix": mask_suffix,
    }
    with open_source(source) as opened:
        layout, pairs, options = _find_pairs(opened, given)
        path = classes or _place(opened, layout)
        if path.exists():
            raise _is_there(path)
        survey = survey_source(opened, pairs, progress=progress)
        ending = {**given, **options}["--mask-suffix"]
        places = places_of_names(opened, layout, ending)
        draft = draft_classes(survey, places, find_class_names(opened))
        if draft is None:
            raise no_masks(opened, layout, survey)
    _write(path, draft)
    if classes is None and Path(source).is_file():
        options = {**options, "--classes": str(path)}
    listed = f"classes: {', '.join(draft.names)}"
    lines = (listed, draft.found, *draft.edit, *_tell_groups(pairs, group_by))
    return Draft(path, lines, options)


def _tell_groups(pairs: Sequence[Pair], group_by: str) -> Iterator[str]:
    """Yield how to keep images with a common prefix in one split, if there are any."""
    # Without --group-by, the group of a pair is the path in which the expression is searched.
    starts = [match[1] for pair in pairs if (match := _START.match(pair.group))]
    groups = set(starts)
    if not group_by and len(starts) == len(pairs) and 1 < len(groups) <= len(pairs) / 2:
        yield (
            f"The names begin in {len(groups)} ways, such as {starts[0]!r}. If these are scenes or "
            f"patients, add --group-by '{_START.pattern}': each is kept in one split."
        )


def _find_pairs(source: Source, given: dict[str, str]) -> tuple[Layout, list[Pair], dict[str, str]]:
    """Return where images and masks are, by options or by names, and the missing options."""
    try:
        return *_pair(source, given), {}
    except DataError as error:
        guess = guess_arrangement(source)
        if guess is None:
            raise
        options = guess.to_options()
        with contextlib.suppress(DataError):
            return *_pair(source, {**given, **options}), options
        raise error


def _pair(source: Source, options: dict[str, str]) -> tuple[Layout, list[Pair]]:
    layout = find_layout(source, options["--images"], options["--masks"])
    pairs = find_pairs(
        source,
        layout,
        Report(),
        image_suffix=options["--image-suffix"],
        mask_suffix=options["--mask-suffix"],
        group_by="",
    )
    return layout, pairs


def _place(source: Source, layout: Layout) -> Path:
    """Return the path of the file; beside a zip, not inside it."""
    if source.path.is_file():
        return source.path.parent / CLASSES_FILE
    return source.path / layout.classes


def places_of_names(source: Source, layout: Layout, mask_suffix: str) -> list[str]:
    """Return names that may say what the masks show, best first.

    Args:
        source: The source.
        layout: Layout of the source.
        mask_suffix: Suffix of the masks' names.
    """
    folders = [layout.masks, layout.root, source.path.resolve().stem]
    return [mask_suffix, *(PurePosixPath(folder).name for folder in folders)]


def no_masks(source: Source, layout: Layout, survey: Survey) -> DataError:
    """Return the error for masks whose values fill no regions, or are too many for classes.

    Args:
        source: The source, for the message.
        layout: Layout of the source.
        survey: Survey of the masks.
    """
    regions, most = count_regions(survey), IGNORE_INDEX - 1
    if regions > most and not survey.by_color:
        message = (
            f"cannot tell the classes: {regions} values fill regions of the masks, expected at "
            f"most {most}."
        )
        hint = (
            f"if they number the objects of an image, write {CLASSES_FILE} with two classes, "
            'value = 0 and values = ">=1"; if they are classes, join some under values.'
        )
        return DataError(message, path=source.where(layout.masks), hint=hint)
    message = (
        f"cannot tell the classes: the files in {layout.masks or '.'!r} hold many values that fill "
        "no regions, as photographs do, expected regions of a few values or colours."
    )
    hint = "name the folder of the masks with --masks, or export masks of one value for each class."
    return DataError(message, path=source.where(layout.masks), hint=hint)


def _is_there(path: Path) -> DataError:
    message = f"cannot write {path.name!r}: it exists already, and is not overwritten."
    hint = "leave out --init to prepare with it, or name another file with --classes."
    return DataError(message, path=path, hint=hint)


def _write(path: Path, draft: ClassesDraft) -> None:
    is_begun = is_whole = False
    try:
        with path.open("x", encoding="utf-8") as file:
            is_begun = True
            file.write(draft.text)
        is_whole = True
    except FileExistsError as error:
        raise _is_there(path) from error
    except OSError as error:
        message = f"cannot write {path.name!r}: {error.strerror or error}."
        hint = "name a place that can be written with --classes."
        raise DataError(message, path=path, hint=hint) from error
    finally:
        if is_begun and not is_whole:  # a part of it would be taken for the user's file
            path.unlink(missing_ok=True)
