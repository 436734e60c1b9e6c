# SPDX-License-Identifier: Apache-2.0
"""Prepare TIFFs of any number of bands with a folder of masks; samples stay as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.data import DatasetIdentity, Report, Shares, check_places, open_source
from zoo_folder_data.prepare import MASKS, prepare_masks

__all__ = ["IDENTITY", "prepare"]

IDENTITY = DatasetIdentity.of("folder_data", "BandFolderDataset")


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    bands: str = "all",
    classes: Path | None = None,
    images: str = "images",
    masks: str = MASKS,
    image_suffix: str = "",
    mask_suffix: str = "",
    group_by: str = "",
    exact_shares: bool = False,
) -> Report:
    """Write the bands and masks of two folders as a prepared folder.

    Args:
        source: Folder or .zip that holds the two folders and ``classes.toml``.
        out: Folder to write; equal input leaves it unchanged.
        shares: Shares of train, val and test.
        progress: Called with the number of pairs done and in total.
        bands: ``all``, or names and numbers (from 1) of bands with commas between them.
        classes: A ``classes.toml`` instead of the source's own.
        images: Folder of the images.
        masks: Folder of the masks.
        image_suffix: See :func:`zoo_folder_data.layout.find_pairs`.
        mask_suffix: As above.
        group_by: As above.
        exact_shares: Split into exact counts of groups, see
            :func:`zoo.data.assign_exact_splits`.

    Raises:
        DataError: As :func:`zoo_folder_data.prepare.prepare`; or an image is not a TIFF, its
            bands or their type are not those of the first, or a band has no data at all.
    """
    check_places(source, out)
    with open_source(source) as opened:
        return prepare_masks(
            opened,
            out,
            Report(),
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
            keep_bands=bands,
        )
