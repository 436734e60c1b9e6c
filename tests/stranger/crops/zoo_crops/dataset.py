# SPDX-License-Identifier: Apache-2.0
"""The prepared tiles as an mmsegmentation data set."""

from __future__ import annotations

from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from zoo_crops.facts import CLASSES, PALETTE

__all__ = ["CropsDataset"]


class CropsDataset(BaseSegDataset):
    """Tiles of fields with soil, crop, weed and residue; 255 is unlabelled."""

    METAINFO: ClassVar[dict[str, Any]] = {
        "classes": CLASSES,
        "palette": [list(colour) for colour in PALETTE],
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"img_suffix": ".png", "seg_map_suffix": ".png", **kwargs}
        super().__init__(reduce_zero_label=False, **kwargs)
