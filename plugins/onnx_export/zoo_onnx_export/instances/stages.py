# SPDX-License-Identifier: Apache-2.0
"""The heads of a model that look at boxes, in the order in which they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

__all__ = ["Stage", "stages_of"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A head with what reads its features.

    Attributes:
        path: Of the head in the model.
        extractor_path: Of its extractor.
        head: The head.
        extractor: A ``SingleRoIExtractor``.
    """

    path: str
    extractor_path: str
    head: Any
    extractor: Any


def stages_of(roi_head: Any, kind: Literal["bbox", "mask"]) -> list[Stage]:
    """Return one head of a ``StandardRoIHead``, or those of a ``CascadeRoIHead``.

    Args:
        roi_head: The head of the model.
        kind: Which heads.
    """
    path, extractor_path = f"roi_head.{kind}_head", f"roi_head.{kind}_roi_extractor"
    head = getattr(roi_head, f"{kind}_head")
    extractor = getattr(roi_head, f"{kind}_roi_extractor")
    if not isinstance(head, nn.ModuleList):
        return [Stage(path, extractor_path, head, extractor)]
    return [
        Stage(f"{path}.{index}", f"{extractor_path}.{index}", *pair)
        for index, pair in enumerate(zip(head, extractor, strict=True))
    ]
