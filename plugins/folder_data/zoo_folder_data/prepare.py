# SPDX-License-Identifier: Apache-2.0
"""Prepare a folder of images and a folder of masks, or images with the labels of another tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data import (
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    Source,
    check_places,
    open_source,
    parse_bands,
    parse_size,
    prepare_semantic,
)
from zoo.errors import DataError
from zoo.interfaces import SourceReader
from zoo_folder_data.class_names import find_class_names
from zoo_folder_data.classes import UNLISTED, ClassList, read_class_file, read_class_text
from zoo_folder_data.draft import draft_classes
from zoo_folder_data.init import no_masks, places_of_names
from zoo_folder_data.layout import CLASSES_FILE, Layout, find_layout, find_pairs
from zoo_folder_data.masks import MaskEncoder
from zoo_folder_data.prepare_labels import prepare_labels
from zoo_folder_data.survey import survey_source

__all__ = ["IDENTITY", "MASKS", "prepare", "prepare_masks"]

IDENTITY = DatasetIdentity.of("folder_data", "FolderDataset")

MASKS = "masks"
_SURVEYED = 8
_MOST_SHOWN = 12


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    classes: Path | None = None,
    annotations: str = "",
    format: SourceReader | None = None,
    images: str = "images",
    masks: str = MASKS,
    image_suffix: str = "",
    mask_suffix: str = "",
    group_by: str = "",
    size: str | None = None,
    keep_aspect: bool = False,
    bands: str | None = None,
    exact_shares: bool = False,
) -> Report:
    """Write the pairs of two folders as a prepared folder, or images and labels of another tool.

    Args:
        source: Folder or .zip that holds the two folders and ``classes.toml``, or images with
            labels.
        out: Folder to write; equal input leaves it unchanged.
        shares: Shares of train, val and test.
        progress: Called with the number of pairs done and in total.
        classes: A ``classes.toml`` instead of the source's own.
        annotations: Path of the label file in the source, for ``format``; empty for all.
        format: Reader of the labels, which are painted; None for a folder of masks.
        images: Folder of the images.
        masks: Folder of the masks; with ``format``, ``ellipse`` (the default) or ``box``, for
            objects that have a box alone.
        image_suffix: See :func:`zoo_folder_data.layout.find_pairs`.
        mask_suffix: As above.
        group_by: As above.
        size: ``"256"`` or ``"512x384"`` (width x height) in px; None keeps the size of each image.
        keep_aspect: Fit into ``size`` instead of filling it.
        bands: Red, green and blue bands of a TIFF that does not name them, such as ``"3,2,1"``.
        exact_shares: Split into exact counts of groups, see
            :func:`zoo.data.assign_exact_splits`.

    Raises:
        DataError: Folders or classes are missing, only one class is listed, there are no pairs, a
            file is damaged, sizes differ, a mask holds a value that no class lists, or a split
            would be empty.
    """
    check_places(source, out)
    report = Report()
    _check_options(
        format, {"--image-suffix": image_suffix, "--mask-suffix": mask_suffix}, annotations
    )
    with open_source(source) as opened:
        if format is not None:
            return prepare_labels(
                opened,
                out,
                format,
                report,
                annotations=annotations,
                images=images,
                masks="ellipse" if masks == MASKS else masks,
                classes=classes,
                group_by=group_by,
                dataset=IDENTITY,
                shares=shares,
                exact_shares=exact_shares,
                size=parse_size(size),
                bands=parse_bands(bands),
                keep_aspect=keep_aspect,
                progress=progress,
            )
        return prepare_masks(
            opened,
            out,
            report,
            dataset=IDENTITY,
            shares=shares,
            classes=classes,
            images=images,
            masks=masks,
            image_suffix=image_suffix,
            mask_suffix=mask_suffix,
            group_by=group_by,
            exact_shares=exact_shares,
            progress=progress,
            size=parse_size(size),
            bands=parse_bands(bands),
            keep_aspect=keep_aspect,
        )


def prepare_masks(
    source: Source,
    out: Path,
    report: Report,
    *,
    dataset: DatasetIdentity,
    shares: Shares,
    classes: Path | None,
    images: str,
    masks: str,
    image_suffix: str,
    mask_suffix: str,
    group_by: str,
    exact_shares: bool,
    progress: Callable[[int, int], None] | None,
    **how: Any,
) -> Report:
    """Write the pairs of a folder of images and a folder of masks.

    Args:
        source: The open source.
        out: Folder to write.
        report: Report so far.
        dataset: The data set, for ``dataset.json``.
        shares: As for `prepare`, and so are the arguments that follow.
        classes: As there.
        images: As there.
        masks: As there.
        image_suffix: As there.
        mask_suffix: As there.
        group_by: As there.
        exact_shares: As there.
        progress: As there.
        **how: What becomes of the images: arguments of :func:`zoo.data.prepare_semantic`.

    Raises:
        DataError: As for `prepare`.
    """
    layout = find_layout(source, images, masks)
    pairs = find_pairs(
        source,
        layout,
        report,
        image_suffix=image_suffix,
        mask_suffix=mask_suffix,
        group_by=group_by,
    )
    listed = _read_classes(source, layout, classes, pairs, mask_suffix)
    _check_several(listed, classes or Path(source.where(layout.classes)))
    return prepare_semantic(
        source,
        out,
        dataset=dataset,
        pairs=pairs,
        classes=listed.names,
        palette=listed.palette,
        encode_mask=MaskEncoder(listed),
        shares=shares,
        exact_shares=exact_shares,
        report=report,
        options={
            "group_by": group_by,
            "mask_ids": listed.to_options(),
            **({"unlisted": listed.unlisted} if listed.unlisted != UNLISTED[0] else {}),
        },
        palette_masks="colors" if listed.by_color else "index",
        progress=progress,
        **how,
    )


def _check_options(
    format: SourceReader | None, suffixes: Mapping[str, str], annotations: str
) -> None:
    """Raise for options that the other kind of source has."""
    given = next((option for option, value in suffixes.items() if value), None)
    if format is not None and given is not None:
        message = f"cannot use {given} with --format: labels name their images themselves."
        raise DataError(message, where=given, hint=f"leave out {given}.")
    if format is None and annotations:
        message = f"cannot use the label file {annotations!r}: its format is not known."
        raise DataError(message, where="--annotations", hint="write --format coco, or another.")


def _check_several(listed: ClassList, where: Path) -> None:
    """Raise for a single class: softmax over one channel is always 1."""
    if len(listed.names) == 1:
        message = (
            f"cannot separate {listed.names[0]!r} from anything else: found one class, expected "
        )
        message += "two or more (the softmax over one channel is 1 everywhere)."
        hint = "list the background first as its own [[class]], instead of under ignore; a head "
        hint += "with a sigmoid (out_channels=1) also works with the two."
        raise DataError(message, path=where, hint=hint)


def _read_classes(
    source: Source, layout: Layout, given: Path | None, pairs: Sequence[Pair], mask_suffix: str
) -> ClassList:
    if given is not None:
        return read_class_file(given)
    if layout.classes not in {file.path for file in source.files()}:
        raise _no_classes(source, layout, pairs, mask_suffix)
    return read_class_text(source.read(layout.classes), source.where(layout.classes))


def _no_classes(
    source: Source, layout: Layout, pairs: Sequence[Pair], mask_suffix: str
) -> DataError:
    """Return the error for a missing file, with a draft that fits some of the masks."""
    survey = survey_source(source, pairs, most=_SURVEYED)
    draft = draft_classes(
        survey, places_of_names(source, layout, mask_suffix), find_class_names(source)
    )
    if draft is None:
        return no_masks(source, layout, survey)
    message = f"cannot find the classes: there is no {CLASSES_FILE!r}. {draft.found}"
    hint = "run it again with --init, which writes one to edit"
    if len(draft.names) <= _MOST_SHOWN:
        hint += f"; or save this beside the two folders, to start with:\n{draft.rows}"
    return DataError(message, path=source.where(layout.classes), hint=hint)
