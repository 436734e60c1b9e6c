# SPDX-License-Identifier: Apache-2.0
"""The prepared layout and the content of ``dataset.json``, which ``dataset_json`` reads.

::

    DIR/images/<stem>.png            8-bit, grey or RGB; <stem>.tif if bands are kept as stored
    DIR/masks/<stem>.png             semantic: one channel, ids 0..K-1, 255 for unknown
    DIR/annotations/<split>.json     instance: COCO JSON; its images may also be .jpg
    DIR/splits/{train,val,test}.txt  sorted stems, one per line
    DIR/dataset.json                 data set, classes, options, files, digests
    DIR/report.json                  dropped and repaired files, with reasons
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from zoo.data.bands.table import BandTable
from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.splits import SPLITS, Shares, digest_of
from zoo.data.source.synthetic import Synthetic

__all__ = [
    "IGNORE_INDEX",
    "LABELS",
    "SCHEMA",
    "MaskedFile",
    "Prepared",
    "PreparedFile",
    "Split",
    "WindowFile",
    "digest_of_content",
    "files_of",
    "splits_of",
]

SCHEMA = 1
IGNORE_INDEX = 255
LABELS = ("true", "derived")
"""Drawn by someone, or made from something weaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """One image of a prepared folder, with the facts common to both tasks.

    Args:
        stem: Name without suffix.
        group: Patient, scene, ...; a group is never divided between splits.
        split: One of :data:`zoo.data.SPLITS`.
        height_px: Height in the folder.
        width_px: Width in the folder.
        image_sha256: Digest of the pixels, see :func:`zoo.data.pictures.digests.digest_pixels`; for
            a copied file (``.jpg``), digest of its bytes.
        source_image: Path in the source.
        source_sha256: Digest of its source data, image first.
        source_height_px: Height of the source image.
        source_width_px: Width of the source image.
        meta: Facts about the image from the plugin.
    """

    stem: str
    group: str
    split: str
    height_px: int
    width_px: int
    image_sha256: str
    source_image: str
    source_sha256: str
    source_height_px: int
    source_width_px: int
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def item(self) -> str:
        """Stem of the source item that this image was made from."""
        return self.stem

    @property
    def image_name(self) -> str:
        """Name of the file in ``images/``."""
        return f"{self.stem}.png"

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Pixel spacing between rows and between columns in mm, if known.

        ``meta`` contains ``spacing_mm`` of the source pixels; this value accounts for resizing.
        """
        match self.meta.get("spacing_mm"):
            case [int() | float() as row_mm, int() | float() as column_mm]:
                return (
                    row_mm * self.source_height_px / self.height_px,
                    column_mm * self.source_width_px / self.width_px,
                )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the row of ``dataset.json``."""
        row = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: _to_json(value) for key, value in row.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedFile(PreparedFile):
    """One image with its mask, of semantic data.

    Args:
        mask_sha256: Digest of the pixels of the mask.
        source_masks: Paths in the source.
        suffix: Of the image: ``.png``, or ``.tif`` for bands as stored.
    """

    mask_sha256: str
    source_masks: tuple[str, ...]
    suffix: str = ".png"

    @property
    def image_name(self) -> str:
        """Name of the file in ``images/``."""
        return f"{self.stem}{self.suffix}"

    def to_dict(self) -> dict[str, Any]:
        """Return the row of ``dataset.json``; bands, not the row, state the suffix."""
        # Named, because a class with slots is made anew, and super() would mean the first.
        row = PreparedFile.to_dict(self)
        del row["suffix"]
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFile(PreparedFile):
    """One image of instance data: a tile or a chip of a scene, or the whole scene.

    Args:
        scene: Stem of the scene.
        left_px: First column of the window in the scene.
        top_px: First row of the window in the scene.
        suffix: ``.png``, or ``.jpg`` for a copied scene.
        instances: Number of instances without crowds.
    """

    scene: str
    left_px: int
    top_px: int
    suffix: str
    instances: int

    @property
    def item(self) -> str:
        """Stem of the scene."""
        return self.scene

    @property
    def image_name(self) -> str:
        """Name of the file in ``images/``."""
        return f"{self.stem}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Split:
    """One of train, val and test.

    Args:
        stems: Sorted.
        groups: Number of groups.
        digest: sha256 of the stems, see :func:`zoo.data.digest_of`.
    """

    stems: tuple[str, ...]
    groups: int
    digest: str

    @property
    def count(self) -> int:
        """Number of images in the split."""
        return len(self.stems)

    def to_dict(self) -> dict[str, Any]:
        """Return the split's entry in ``dataset.json``."""
        return {"count": self.count, "groups": self.groups, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared folder, as its ``dataset.json`` describes it.

    Args:
        root: The folder.
        task: ``"semantic"`` or ``"instance"``.
        dataset: Identity of the data set.
        classes: Class names, in the order of their ids.
        palette: RGB colour of each class.
        labels: ``"true"`` or ``"derived"``.
        options: Options of the ``prepare`` run.
        shares: Shares of the splits.
        splits: Name -> split.
        files: Rows sorted by stem.
        annotations: For instance data, sha256 of each split's COCO JSON.
        synthetic: Who generated the data; None for real data.
        bands: The bands of images that are kept as stored; None for 8-bit pictures.
        digest: sha256 of everything above except the root.
    """

    root: Path
    task: str
    dataset: DatasetIdentity
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    labels: str
    options: Mapping[str, Any]
    shares: Shares
    splits: Mapping[str, Split]
    files: tuple[PreparedFile, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    synthetic: Synthetic | None = None
    bands: BandTable | None = None
    digest: str = ""

    @property
    def type(self) -> str:
        """The type of the data set in configs."""
        return self.dataset.type

    def image_path(self, stem: str, suffix: str = ".png") -> Path:
        """Return the path of an image; whole scenes may be ``.jpg``, and bands are ``.tif``.

        Args:
            stem: File name without folder and suffix.
            suffix: ``.png``, ``.jpg`` or ``.tif``.
        """
        return self.root / "images" / f"{stem}{suffix}"

    def mask_path(self, stem: str) -> Path:
        """Return the path of a mask.

        Args:
            stem: File name without folder and suffix.
        """
        return self.root / "masks" / f"{stem}.png"

    def split_path(self, split: str) -> Path:
        """Return the path of the list of a split.

        Args:
            split: ``train``, ``val`` or ``test``.
        """
        return self.root / "splits" / f"{split}.txt"

    def annotations_path(self, split: str) -> Path:
        """Return the path of the COCO JSON of a split.

        Args:
            split: ``train``, ``val`` or ``test``.
        """
        return self.root / "annotations" / f"{split}.json"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``dataset.json``, including the digest."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "task": self.task,
            "dataset": self.dataset.to_dict(),
            "type": self.type,
            "classes": list(self.classes),
            "palette": [list(color) for color in self.palette],
            "labels": self.labels,
            "options": dict(self.options),
            "shares": self.shares.to_list(),
            "splits": {name: split.to_dict() for name, split in self.splits.items()},
            "files": [file.to_dict() for file in self.files],
        }
        if self.synthetic is not None:
            content["synthetic"] = self.synthetic.to_dict()
        if self.bands is not None:
            content["bands"] = self.bands.to_dict()
        if self.annotations:
            content["annotations"] = dict(self.annotations)
        return content | {"digest": digest_of_content(content)}


def digest_of_content(content: Mapping[str, Any]) -> str:
    """Return the sha256 of the content of ``dataset.json`` without its ``digest``.

    Args:
        content: The content of ``dataset.json``.
    """
    kept = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def splits_of(files: Sequence[PreparedFile]) -> dict[str, Split]:
    """Return the three splits of some files, including empty ones.

    Args:
        files: Rows of ``dataset.json``.
    """
    splits = {}
    for name in SPLITS:
        mine = [file for file in files if file.split == name]
        stems = tuple(sorted(file.stem for file in mine))
        splits[name] = Split(stems, len({file.group for file in mine}), digest_of(stems))
    return splits


def files_of(prepared: Prepared) -> dict[str, set[str]]:
    """Return the exact file names that each subfolder of a prepared folder must contain.

    Args:
        prepared: A prepared folder.
    """
    names = {"images": {row.image_name for row in prepared.files}}
    if prepared.task == "instance":
        return names | {"annotations": {f"{split}.json" for split in prepared.annotations}}
    return names | {"masks": {f"{row.stem}.png" for row in prepared.files}}
