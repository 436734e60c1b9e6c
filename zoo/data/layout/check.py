# SPDX-License-Identifier: Apache-2.0
"""Check that a prepared folder still agrees with its ``dataset.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from zoo.data.layout.check_instances import MOST_BYTES, check_annotations, check_window
from zoo.data.layout.dataset_json import read_prepared
from zoo.data.layout.prepared import (
    IGNORE_INDEX,
    MaskedFile,
    Prepared,
    WindowFile,
    files_of,
)
from zoo.data.pictures.digests import digest_pixels
from zoo.data.pictures.pixels import decode_image, to_uint8
from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["check_prepared"]


def check_prepared(root: Path, *, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Return the problems of a prepared folder, or an empty list.

    This decodes every image: size and pixels must agree with ``dataset.json``. Labels must be ids
    of its classes or 255; COCO JSON must be valid and unchanged. No file may be missing or added,
    and no group may be in two splits.

    Args:
        root: The folder.
        progress: Called with images done and images in total.

    Raises:
        DataError: ``dataset.json`` or a split list is unusable, so the images cannot be checked.
    """
    prepared = read_prepared(root)
    problems = [*_torn_groups(prepared), *_strangers(prepared), *check_annotations(prepared)]
    for done, row in enumerate(prepared.files, start=1):
        if isinstance(row, MaskedFile):
            problems += _check_pair(prepared, row)
        elif isinstance(row, WindowFile):
            problems += check_window(prepared, row)
        if progress is not None:
            progress(done, len(prepared.files))
    return problems


def _torn_groups(prepared: Prepared) -> Iterator[str]:
    splits: dict[str, set[str]] = {}
    for row in prepared.files:
        splits.setdefault(row.group, set()).add(row.split)
    for group, names in sorted(splits.items()):
        if len(names) > 1:
            yield f"group {shown(group)} lies in {' and '.join(sorted(names))}, expected one split"


def _strangers(prepared: Prepared) -> Iterator[str]:
    for folder, known in files_of(prepared).items():
        for path in sorted((prepared.root / folder).glob("*")):
            if path.name not in known:
                yield f"{folder}/{path.name}: found a file that dataset.json does not list"


def _check_pair(prepared: Prepared, row: MaskedFile) -> Iterator[str]:
    for path, sha256 in (
        (prepared.image_path(row.stem), row.image_sha256),
        (prepared.mask_path(row.stem), row.mask_sha256),
    ):
        name = path.relative_to(prepared.root).as_posix()
        try:
            pixels = decode_image(read_file(path, MOST_BYTES), name)
        except (OSError, DocumentError) as error:
            yield f"{name}: {reason_of(error)}"
            continue
        except DataError as error:
            yield f"{name}: {error.message}"
            continue
        if pixels.shape[:2] != (row.height_px, row.width_px):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            yield f"{name}: found {found} px, expected {row.width_px}x{row.height_px}"
        elif digest_pixels(to_uint8(pixels)) != sha256:
            yield f"{name}: its pixels are not those that were prepared"
        elif path.parent.name == "masks":
            highest = int(pixels[pixels != IGNORE_INDEX].max(initial=0))
            if highest >= len(prepared.classes):
                yield f"{name}: found id {highest}, expected below {len(prepared.classes)}"
