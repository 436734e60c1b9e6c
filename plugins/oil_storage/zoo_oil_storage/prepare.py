# SPDX-License-Identifier: Apache-2.0
"""From the Airbus layout to a prepared folder with COCO JSON."""

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
from zoo_oil_storage.facts import CLASSES, LICENCE, PALETTE, VERSION
from zoo_oil_storage.scenes import find_scenes

__all__ = ["IDENTITY", "prepare"]

IDENTITY = DatasetIdentity(plugin="oil_storage", name="OilStorageDataset", version=VERSION)


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

    What is done to rows: ``zoo_oil_storage.scenes``. Scenes are split before they are cut.

    Args:
        source: Folder or .zip in the Airbus layout.
        out: Folder to write; equal input finds it unchanged.
        shares: Of train, val and test, by scene.
        progress: Called with scenes done and in all.
        layout: ``tiles`` (overlapping), ``chips`` (one tank each) or ``whole`` scenes.
        tile_size: Side of tiles or chips in px; None for 512 of tiles and 128 of chips.
        overlap: Of tiles, in px; at least the largest box, so that a tile shows each tank whole.
        min_visible: Of a tank that a tile's edge cuts, the share of its mask that must remain.
        masks: ``ellipse`` inscribed in the box, or the ``box`` itself.

    Raises:
        DataError: The source is not in the layout, a file is damaged, the overlap is smaller
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
