# SPDX-License-Identifier: Apache-2.0
"""Prepare images with a COCO JSON, or with labels of another format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.data import (
    DatasetIdentity,
    Report,
    Shares,
    check_places,
    open_source,
    parse_bands,
    parse_tiling,
    polygon_from_box,
    prepare_instances,
    read_coco,
)
from zoo.errors import DataError
from zoo.interfaces import SourceReader
from zoo_folder_data.classes import choose_color
from zoo_folder_data.coco import find_coco, read_scenes
from zoo_folder_data.labelled import TOP, read_labels

__all__ = ["IDENTITY", "prepare"]

IDENTITY = DatasetIdentity.of("folder_data", "CocoFolderDataset")
LICENCE = "the user's own data"
CROWDS = ("regions", "instances")


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    annotations: str = "",
    format: SourceReader | None = None,
    images: str = "images",
    masks: str = "ellipse",
    crowds: str = "regions",
    group_by: str = "",
    layout: str = "whole",
    tile_size: int | None = None,
    overlap: int = 128,
    min_visible: float = 0.3,
    bands: str | None = None,
    exact_shares: bool = False,
) -> Report:
    """Write the images of a COCO JSON and their instances as a prepared folder.

    Categories become classes in the order of their ids. Instances that have only a box get a mask
    made from it, and the prepared folder states that its labels are derived.

    Args:
        source: Folder or .zip that holds the JSON and the images.
        out: Folder to write; equal input leaves it unchanged.
        shares: Shares of train, val and test.
        progress: Called with the number of images done and in total.
        annotations: Path of the JSON in the source, or of the one file to read with ``format``;
            empty for the only JSON, or for all files of the format.
        format: Reader of another format of labels; None for COCO.
        images: Folder of the images.
        masks: ``ellipse`` or ``box``, for instances without a mask.
        crowds: ``regions`` or ``instances``: meaning of ``iscrowd`` 1.
        group_by: See :func:`zoo_folder_data.layout.find_pairs`.
        layout: ``whole`` images, overlapping ``tiles``, or ``chips`` of one instance each.
        tile_size: Side of tiles or chips in px; None for 512 (tiles) or 128 (chips).
        overlap: Overlap of tiles in px; at least the largest box.
        min_visible: Share of an instance that must remain where a tile's edge cuts it.
        bands: Red, green and blue bands of a TIFF that does not name them, such as ``"3,2,1"``.
        exact_shares: Split into exact counts of groups, see
            :func:`zoo.data.assign_exact_splits`.

    Raises:
        DataError: The JSON is missing or invalid, an image is missing, damaged or of another size,
            the overlap is too small, or a split would be empty.
    """
    check_places(source, out)
    tiling = parse_tiling(layout, tile_size, overlap, min_visible)
    report = Report()
    polygon_from_box((0, 0, 1, 1), masks)  # refuses an invalid ``masks`` before reading
    if crowds not in CROWDS:
        message = f"cannot treat crowds as {crowds!r}: expected one of {', '.join(CROWDS)}."
        raise DataError(message, where="--crowds", hint=f"write --crowds {CROWDS[1]}.")
    with open_source(source) as opened:
        if format is None:
            path = find_coco(opened, annotations)
            content = read_coco(opened.read(path), opened.where(path))
        else:
            path, content = (
                TOP,
                read_labels(opened, format, report, images=images, only=annotations),
            )
        found = read_scenes(
            opened,
            path,
            content,
            report,
            images=images,
            masks=masks,
            crowds=crowds,
            group_by=group_by,
        )
        if found.derived:
            report.count("masks made from boxes", found.derived)
        return prepare_instances(
            opened,
            out,
            dataset=IDENTITY,
            scenes=found.scenes,
            classes=found.classes,
            palette=[choose_color(index + 1) for index in range(len(found.classes))],
            shares=shares,
            exact_shares=exact_shares,
            report=report,
            tiling=tiling,
            bands=parse_bands(bands),
            labels="derived" if found.derived else "true",
            licence=LICENCE,
            options={
                "group_by": group_by,
                "masks": masks if found.derived else "",
                **({"crowds": crowds} if crowds != CROWDS[0] else {}),
                **({} if format is None else {"format": format.name}),
            },
            progress=progress,
        )
