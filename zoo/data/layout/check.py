# SPDX-License-Identifier: Apache-2.0
"""Check that a prepared folder still agrees with its ``dataset.json``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.data.bands.reading import read_bands
from zoo.data.layout.check_instances import (
    MOST_BYTES,
    check_annotations,
    check_window,
    digest_of_image,
)
from zoo.data.layout.dataset_json import read_prepared
from zoo.data.layout.prepared import (
    IGNORE_INDEX,
    MaskedFile,
    Prepared,
    PreparedFile,
    WindowFile,
    files_of,
)
from zoo.data.pictures.digests import digest_pixels
from zoo.data.pictures.pixels import decode_image, to_uint8
from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import DataError
from zoo.texts import shown

__all__ = ["check_prepared", "digests_of_newer", "find_changes"]


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
        problems += _check_row(prepared, row)
        if progress is not None:
            progress(done, len(prepared.files))
    return problems


def find_changes(root: Path, splits: Collection[str], *, limit_s: float = 5.0) -> list[str]:
    """Return what is wrong with files of a prepared folder that were written after it was.

    Only these are read, the newest first, until the time is used: of an untouched folder none, of a
    copy perhaps all. `check_prepared` reads everything.

    Args:
        root: The folder.
        splits: Any of ``train``, ``val`` and ``test``.
        limit_s: Time for reading; at least one file is read.

    Raises:
        DataError: ``dataset.json`` or a split list is unusable.
    """
    prepared = read_prepared(root)
    lists = [prepared.annotations_path(split) for split in prepared.annotations]
    written_ns = _written_ns(prepared.root / "dataset.json")
    problems: list[str] = []
    if any(_written_ns(path) > written_ns for path in lists):
        problems += check_annotations(prepared)
    for row in _newer_rows(prepared, splits, limit_s):
        problems += _check_row(prepared, row)
    return problems


def digests_of_newer(
    root: Path, splits: Collection[str], *, limit_s: float = 5.0
) -> frozenset[str]:
    """Return the sha256 of the pixels of images that were written after their prepared folder.

    Only these are read, as by `find_changes`. Those that cannot be read are left out, and windows
    without an object, which may be equal without showing the same place.

    Args:
        root: The folder.
        splits: Any of ``train``, ``val`` and ``test``.
        limit_s: Time for reading; at least one image is read.

    Raises:
        DataError: ``dataset.json`` or a split list is unusable.
    """
    prepared, found = read_prepared(root), set()
    for row in _newer_rows(prepared, splits, limit_s):
        if isinstance(row, WindowFile) and not row.instances:
            continue
        path = prepared.root / "images" / row.image_name
        with suppress(OSError, DocumentError, DataError):
            found.add(digest_of_image(read_file(path, MOST_BYTES), path.name))
    return frozenset(found)


def _newer_rows(
    prepared: Prepared, splits: Collection[str], limit_s: float
) -> Iterator[PreparedFile]:
    """Yield the files written after their folder, the newest first, until the time is up."""
    end_s, written_ns = time.monotonic() + limit_s, _written_ns(prepared.root / "dataset.json")
    rows = [(_row_written_ns(prepared, row), row) for row in prepared.files if row.split in splits]
    newer = sorted((each for each in rows if each[0] > written_ns), key=lambda each: -each[0])
    for number, (_, row) in enumerate(newer):
        if number and time.monotonic() > end_s:
            break
        yield row


def _row_written_ns(prepared: Prepared, row: PreparedFile) -> int:
    image = _written_ns(prepared.root / "images" / row.image_name)
    is_masked = isinstance(row, MaskedFile)
    return max(image, _written_ns(prepared.mask_path(row.stem))) if is_masked else image


def _written_ns(path: Path) -> int:
    """Return when a file was written or put there; of one that is gone, later than all."""
    try:
        status = os.stat(path)
    except OSError:
        return 2**63
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _check_row(prepared: Prepared, row: PreparedFile) -> Iterator[str]:
    if isinstance(row, MaskedFile):
        yield from _check_pair(prepared, row)
    elif isinstance(row, WindowFile):
        yield from check_window(prepared, row)


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
        (prepared.image_path(row.stem, row.suffix), row.image_sha256),
        (prepared.mask_path(row.stem), row.mask_sha256),
    ):
        name = path.relative_to(prepared.root).as_posix()
        try:
            data = read_file(path, MOST_BYTES)
            pixels: Any
            if prepared.bands is not None and path.parent.name == "images":
                pixels = stored = read_bands(data, name, prepared.bands.choice).samples
            else:
                pixels = decode_image(data, name)
                stored = to_uint8(pixels)
        except (OSError, DocumentError) as error:
            yield f"{name}: {reason_of(error)}"
            continue
        except DataError as error:
            yield f"{name}: {error.message}"
            continue
        if pixels.shape[:2] != (row.height_px, row.width_px):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            yield f"{name}: found {found} px, expected {row.width_px}x{row.height_px}"
        elif digest_pixels(stored) != sha256:
            yield f"{name}: its pixels are not those that were prepared"
        elif path.parent.name == "masks":
            highest = int(pixels[pixels != IGNORE_INDEX].max(initial=0))
            if highest >= len(prepared.classes):
                yield f"{name}: found id {highest}, expected below {len(prepared.classes)}"
