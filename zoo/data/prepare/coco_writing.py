# SPDX-License-Identifier: Apache-2.0
"""Write the COCO JSON of each split, with ids that are unique over all splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.prepared import WindowFile
from zoo.data.layout.splits import SPLITS
from zoo.data.pictures.digests import digest_bytes
from zoo.files import write_file

__all__ = ["write_annotations"]

Shown = Sequence[tuple[WindowFile, Sequence[Mapping[str, Any]]]]


def write_annotations(
    folder: Path,
    shown: Shown,
    *,
    dataset: DatasetIdentity,
    classes: Sequence[str],
    labels: str,
    licence: str,
) -> dict[str, str]:
    """Write ``annotations/{train,val,test}.json`` and return the sha256 of each.

    In addition to COCO's keys, an image has ``scene``, ``left_px`` and ``top_px``, its position in
    the scene, and an annotation has ``object``, the number of its object in that scene, which is
    the same in all tiles.

    Args:
        folder: The staging folder.
        shown: Rows with their annotations, still without ids, in the order of the stems.
        dataset: Identity of the data set, for ``info``.
        classes: Class names; categories count from 1.
        labels: ``true`` or ``derived``, for ``info``.
        licence: Licence of the images.

    Raises:
        DataError: The disk is full, or the folder cannot be written.
    """
    numbered = list(_number(shown))
    digests = {}
    for split in SPLITS:
        mine = [part for part in numbered if part[0] == split]
        content = {
            "info": {
                "description": f"{dataset.type}, {split}",
                "version": dataset.version,
                "labels": labels,
                "contributor": "",
                "url": "",
                "date_created": "",
            },
            "licenses": [{"id": 1, "name": licence, "url": ""}],
            "images": [image for _, image, _ in mine],
            "categories": [
                {"id": index, "name": name, "supercategory": ""}
                for index, name in enumerate(classes, start=1)
            ],
            "annotations": [row for _, _, rows in mine for row in rows],
        }
        data = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        encoded = f"{data}\n".encode("utf-8", "backslashreplace")
        write_file(folder / "annotations" / f"{split}.json", encoded)
        digests[split] = digest_bytes(encoded)
    return digests


def _number(shown: Shown) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Yield split, image and annotations of each row, with ids."""
    number = 0
    for image_id, (row, unnumbered) in enumerate(shown, start=1):
        image = {
            "id": image_id,
            "file_name": row.image_name,
            "width": row.width_px,
            "height": row.height_px,
            "license": 1,
            "scene": row.scene,
            "left_px": row.left_px,
            "top_px": row.top_px,
        }
        rows = []
        for annotation in unnumbered:
            number += 1
            rows.append({"id": number, "image_id": image_id, **annotation})
        yield row.split, image, rows
