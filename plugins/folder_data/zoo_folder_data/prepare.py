# SPDX-License-Identifier: Apache-2.0
"""From two folders of one's own to a prepared folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.data import (
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    Source,
    check_places,
    decode_mask,
    open_source,
    parse_bands,
    parse_size,
    prepare_semantic,
)
from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import DataError
from zoo_folder_data.classes import ClassList, parse_classes
from zoo_folder_data.layout import CLASSES_FILE, Layout, find_layout, find_pairs
from zoo_folder_data.masks import MaskEncoder, survey_masks

__all__ = ["IDENTITY", "prepare"]

IDENTITY = DatasetIdentity(plugin="folder_data", name="FolderDataset", version="0.1.0")

_SURVEYED = 8
_MOST_SHOWN = 12


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    classes: Path | None = None,
    images: str = "images",
    masks: str = "masks",
    image_suffix: str = "",
    mask_suffix: str = "",
    group_by: str = "",
    size: str | None = None,
    keep_aspect: bool = False,
    bands: str | None = None,
) -> Report:
    """Write the pairs of two folders as a prepared folder.

    Args:
        source: Folder or .zip that holds the two folders and ``classes.toml``.
        out: Folder to write; equal input finds it unchanged.
        shares: Of train, val and test.
        progress: Called with pairs done and in all.
        classes: A file of classes in place of the source's own.
        images: Folder of the images.
        masks: Folder of the masks.
        image_suffix: See :func:`zoo_folder_data.layout.find_pairs`.
        mask_suffix: As above.
        group_by: As above.
        size: ``"256"`` or ``"512x384"`` (width x height); None keeps every image's own.
        keep_aspect: Fit into ``size`` instead of filling it.
        bands: ``"3,2,1"``: those of a TIFF that are red, green and blue, where it does not name
            them.

    Raises:
        DataError: Folders or classes are missing, one class alone is listed, nothing pairs, a
            file is damaged, sizes differ, a mask holds what no class lists, or a split would be
            empty.
    """
    check_places(source, out)
    report = Report()
    with open_source(source) as opened:
        layout = find_layout(opened, images, masks)
        pairs = find_pairs(
            opened,
            layout,
            report,
            image_suffix=image_suffix,
            mask_suffix=mask_suffix,
            group_by=group_by,
        )
        listed = _read_classes(opened, layout, classes, pairs)
        _check_several(listed, classes or Path(opened.where(layout.classes)))
        return prepare_semantic(
            opened,
            out,
            dataset=IDENTITY,
            pairs=pairs,
            classes=listed.names,
            palette=listed.palette,
            encode_mask=MaskEncoder(listed),
            shares=shares,
            report=report,
            size=parse_size(size),
            bands=parse_bands(bands),
            keep_aspect=keep_aspect,
            options={"group_by": group_by, "mask_ids": listed.to_options()},
            palette_masks="colors" if listed.by_color else "index",
            progress=progress,
        )


def _check_several(listed: ClassList, where: Path) -> None:
    """Raise for a class alone: softmax over one channel is 1, whatever the image shows."""
    if len(listed.names) == 1:
        message = f"cannot tell {listed.names[0]!r} from anything else: found one class, expected "
        message += "two or more (the softmax over one channel is 1 everywhere)."
        hint = "list the background as a [[class]] of its own, first, in place of ignore; a head "
        hint += "with a sigmoid (out_channels=1) takes the two as well."
        raise DataError(message, path=where, hint=hint)


def _read_classes(
    source: Source, layout: Layout, given: Path | None, pairs: Sequence[Pair]
) -> ClassList:
    if given is not None:
        where = str(given)
        try:
            data = read_file(given, 2**20)
        except (OSError, DocumentError) as error:
            message = f"cannot read the classes: {reason_of(error)}."
            raise DataError(message, path=given, hint="give a file with --classes.") from error
    else:
        where = source.where(layout.classes)
        if layout.classes not in {file.path for file in source.files()}:
            raise _no_classes(source, where, pairs)
        data = source.read(layout.classes)
    try:
        return parse_classes(data.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        message = f"cannot read the classes: {error}."
        raise DataError(message, path=where, hint="save the file as UTF-8.") from error


def _no_classes(source: Source, where: str, pairs: Sequence[Pair]) -> DataError:
    """Return the error for a missing file, with one to begin with that fits the first masks."""
    first = [pair.masks[0] for pair in pairs[:_SURVEYED]]
    masks = [decode_mask(source.read(p), source.where(p), palette="index") for p in first]
    found = survey_masks([mask.pixels for mask in masks])
    lines = []
    for index, name in enumerate(sorted(found[:_MOST_SHOWN], key=lambda name: (len(name), name))):
        key = f'color = "{name}"' if name.startswith("#") else f"value = {name}"
        lines.append(f'[[class]]\nname = "class {index}"\n{key}')
    message = (
        f"cannot tell the classes: there is no {CLASSES_FILE!r} (the first "
        f"{len(first)} masks hold {len(found)} values)."
    )
    hint = "write it beside the two folders, or give one with --classes; to begin with:\n"
    return DataError(message, path=where, hint=hint + "\n".join(lines))
