# SPDX-License-Identifier: Apache-2.0
"""Where the images lie that a COCO JSON lists, whatever system wrote their names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from zoo.data import CocoImage, Source
from zoo.errors import DataError

__all__ = ["FoundImage", "find_images"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that is there.

    Args:
        path: In the source.
        key: As the JSON names it, with ``/`` between parts and without its suffix.
    """

    path: str
    key: str


def find_images(
    source: Source, path: str, images: Sequence[CocoImage], folder: str
) -> dict[int, FoundImage]:
    r"""Return the images by their ids.

    A ``\`` separates parts as ``/`` does, unless there is a file of that very name; a drive, a
    root and leading ``..`` are left out of the key.

    Args:
        source: Is listed.
        path: Of the JSON in the source.
        images: As it lists them.
        folder: In which they are looked for first.

    Raises:
        DataError: An image is missing, or named by a URL.
    """
    urls = [image.file_name for image in images if _URL.match(image.file_name)]
    if urls:
        message = f"cannot use the file_name of {len(urls)} of {len(images)} images: found "
        message += f"{_name_some(urls)}, expected the path of a file."
        hint = f"fetch the images into {folder!r}, and write each one's name there as file_name."
        raise DataError(message, path=source.where(path), hint=hint)
    search = _Search(source, path, folder)
    found = {image.id: search.find(image.file_name) for image in images}
    missing = [image.file_name for image in images if found[image.id] is None]
    if missing:
        message = f"cannot find {len(missing)} of {len(images)} images: {_name_some(missing)}."
        hint = f"put them below {folder!r}, or name their folder with --images."
        raise DataError(message, path=source.where(path), hint=hint)
    return {number: image for number, image in found.items() if image is not None}


class _Search:
    """What a source holds, by path and by name."""

    def __init__(self, source: Source, path: str, folder: str) -> None:
        self._known = {file.path for file in source.files()}
        self._by_name: dict[str, list[str]] = {}
        for file in source.files():
            self._by_name.setdefault(file.name, []).append(file.path)
        self._bases: list[PurePosixPath] = []
        for parent in (PurePosixPath(path).parent, *PurePosixPath(path).parent.parents):
            self._bases += [parent / folder, parent]

    def find(self, file_name: str) -> FoundImage | None:
        """Return the file of a name: by its path, else by its last part if one file has it."""
        spelling = PurePosixPath(file_name)
        for spelling in _spellings(file_name):
            for base in self._bases:
                place = posixpath.normpath(base / spelling)
                if place in self._known:
                    return FoundImage(place, _key_of(spelling))
        alone = self._by_name.get(spelling.name, [])
        return FoundImage(alone[0], _key_of(spelling)) if len(alone) == 1 else None


def _spellings(file_name: str) -> Iterator[PurePosixPath]:
    yield PurePosixPath(file_name)
    windows = PureWindowsPath(file_name)
    if "\\" in file_name or windows.drive.endswith(":"):
        yield PurePosixPath(*windows.parts[bool(windows.anchor) :])


def _key_of(spelling: PurePosixPath) -> str:
    parts = spelling.parts
    while len(parts) > 1 and parts[0] == "..":
        parts = parts[1:]
    return str(PurePosixPath(*parts).with_suffix(""))


def _name_some(names: Sequence[str]) -> str:
    named = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return f"{named}, ..." if len(names) > _MOST_NAMED else named
