# SPDX-License-Identifier: Apache-2.0
"""Prepare a set in the Airbus layout as a folder with COCO JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.data import (
    DatasetIdentity,
    Report,
    Shares,
    check_places,
    open_source,
    parse_tiling,
    prepare_instances,
)
from zoo_oil_storage.facts import CLASSES, LICENCE, PALETTE
from zoo_oil_storage.scenes import find_scenes

__all__ = ["IDENTITY", "prepare"]

IDENTITY = DatasetIdentity.of("oil_storage", "OilStorageDataset")


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    layout: str = "tiles",
    tile_size: int | None = None,
    overlap: int = 128,
    min_visible: float = 0.3,
    masks: str = "ellipse",
) -> Report:
    """Write the scenes of ``source`` and masks made from its boxes as a prepared folder.

    For the treatment of rows, see ``zoo_oil_storage.scenes``. Scenes are split before tiling.

    Args:
        source: Folder or .zip in the Airbus layout.
        out: Folder to write; equal input leaves it unchanged.
        shares: Shares of train, val and test, by scene.
        progress: Called with the number of scenes done and in total.
        layout: ``tiles`` (overlapping), ``chips`` (one tank each) or ``whole`` scenes.
        tile_size: Side of tiles or chips in px; None for 512 (tiles) or 128 (chips).
        overlap: Overlap of tiles in px; at least the largest box, so that each tank is whole in
            some tile.
        min_visible: Share of a tank's mask that must remain where a tile's edge cuts it.
        masks: ``ellipse`` inscribed in the box, or the ``box`` itself.

    Raises:
        DataError: The source has another layout, a file is damaged, the overlap is smaller
            than the largest box, or a split would be empty.
    """
    check_places(source, out)
    tiling = parse_tiling(layout, tile_size, overlap, min_visible)
    report = Report()
    with open_source(source) as opened:
        return prepare_instances(
            opened,
            out,
            dataset=IDENTITY,
            scenes=find_scenes(opened, report, masks=masks),
            classes=CLASSES,
            palette=PALETTE,
            shares=shares,
            report=report,
            tiling=tiling,
            labels="derived",
            licence=LICENCE,
            options={"masks": masks},
            progress=progress,
        )
