# SPDX-License-Identifier: Apache-2.0
"""Prepare a raw release of chest X-rays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data import (
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    open_source,
    parse_size,
    prepare_semantic,
)
from zoo_lung_xray.dicom_source import XraySource
from zoo_lung_xray.facts import CLASSES, PALETTE
from zoo_lung_xray.layouts import find_pairs
from zoo_lung_xray.masks import unite_masks

__all__ = ["prepare"]

IDENTITY = DatasetIdentity.of("lung_xray", "LungXrayDataset")


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    size: str | None = None,
    keep_aspect: bool = False,
    mask_suffix: str = "_mask",
    source_set: str = "all",
) -> Report:
    """Write the chest X-rays of ``source`` that have lung masks as a prepared folder.

    Layouts: ``zoo_lung_xray.layouts``. Masks to labels: ``zoo_lung_xray.masks``. DICOM to 8 bits:
    ``zoo_lung_xray.dicom_grey``. Groups for the split are patients: ``zoo_lung_xray.facts``.

    Args:
        source: Folder or .zip of the public set or of Montgomery's own release.
        out: Folder to write; equal input leaves it unchanged.
        shares: Shares of train, val and test.
        progress: Called with the number of images done and in total.
        size: ``"256"`` or ``"512x384"`` (width x height) in px; None keeps the size of each image.
        keep_aspect: Fit into ``size`` instead of filling it.
        mask_suffix: Suffix that masks may have and images do not.
        source_set: ``all``, ``montgomery`` or ``shenzhen``.

    Raises:
        DataError: The source has no known layout, a file is damaged, sizes differ, a mask is not a
            lung mask, or a split would be empty.
    """
    report = Report()
    with open_source(source) as opened:
        xrays = XraySource(opened)
        pairs = find_pairs(xrays, report, mask_suffix=mask_suffix, source_set=source_set)
        return prepare_semantic(
            xrays,
            out,
            dataset=IDENTITY,
            pairs=xrays.describe(pairs, report),
            classes=CLASSES,
            palette=PALETTE,
            encode_mask=_encode_mask,
            shares=shares,
            report=report,
            size=parse_size(size or ""),
            keep_aspect=keep_aspect,
            options={"mask_suffix": mask_suffix, "source_set": source_set},
            progress=progress,
        )


def _encode_mask(
    masks: list[NDArray[np.uint8 | np.uint16]], pair: Pair
) -> tuple[NDArray[np.uint8], list[str]]:
    return unite_masks(masks)
