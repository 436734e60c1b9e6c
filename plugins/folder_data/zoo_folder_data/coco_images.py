# SPDX-License-Identifier: Apache-2.0
"""Find the images of a COCO JSON, whatever system wrote their names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from zoo.data import IMAGE_SUFFIXES, CocoImage, Source, compose, find_near
from zoo.errors import DataError

__all__ = ["FoundImage", "find_images"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that was found.

    Args:
        path: Path in the source.
        key: Name in the JSON, with ``/`` between parts and without extension. For an absolute name
            with folders of another machine, the path below the folder of images.
        said: For an absolute name, the whole name without extension: it may contain the group.
    """

    path: str
    key: str
    said: str = ""


def find_images(
    source: Source, path: str, images: Sequence[CocoImage], folder: str
) -> dict[int, FoundImage]:
    r"""Return the images by their ids.

    ``\`` separates parts like ``/``, unless a file has exactly that name. The key omits a drive, a
    root and leading ``..``. Names are compared independently of their Unicode form. For an absolute
    name, the longest trailing path that leads to a file is used.

    Args:
        source: The source to list.
        path: Path of the JSON in the source.
        images: Images in the JSON.
        folder: Folder to search first.

    Raises:
        DataError: An image is missing or named by a URL, or two names lead to the same file.
    """
    where = source.where(path)
    _check_paths([image.file_name for image in images], where, folder)
    search = _Search(source, path, folder)
    found = {image.id: search.find(image.file_name) for image in images}
    missing = [image.file_name for image in images if found[image.id] is None]
    present = {number: image for number, image in found.items() if image is not None}
    if missing:
        used = {image.path for image in present.values()}
        named, hint = _name_missing(missing, search.list_unused(used), folder)
        message = f"cannot find {len(missing)} of {len(images)} images: {named}."
        raise DataError(message, path=where, hint=hint)
    _check_unique(images, present, where)
    return present


def _check_paths(names: Sequence[str], where: str, folder: str) -> None:
    """Refuse URLs in place of paths."""
    urls = [name for name in names if _URL.match(name)]
    fault = "found"
    if not urls:
        # Label Studio's form for files that it serves: /data/local-files/?d=images/a.png.
        urls = [name for name in names if "?" in name and _is_absolute(name)]
        fault = "found '?' in"
    if urls:
        message = f"cannot use the file_name of {len(urls)} of {len(names)} images: {fault} "
        message += f"{_name_some(urls)}, expected the path of a file."
        hint = f"download the images into {folder!r}, and write each one's name there as file_name."
        raise DataError(message, path=where, hint=hint)


def _name_missing(missing: Sequence[str], unused: Sequence[str], folder: str) -> tuple[str, str]:
    """Return names that were not found, each with the most similar file, and a hint."""
    near = {name: find_near(name, unused) for name in missing[:_MOST_NAMED]}
    named = ", ".join(
        f"{name!r}" + (f" (the nearest file is {found!r})" if found else "")
        for name, found in near.items()
    )
    named += ", ..." if len(missing) > _MOST_NAMED else ""
    if any(near.values()):
        return named, "write each file_name exactly as the file's name."
    return named, f"put them below {folder!r}, or choose their folder with --images."


def _check_unique(images: Sequence[CocoImage], found: Mapping[int, FoundImage], where: str) -> None:
    first: dict[str, str] = {}
    for image in images:
        place = found[image.id].path
        other = first.setdefault(place, image.file_name)
        if other != image.file_name:
            message = f"cannot identify the image {place!r}: found {other!r} and "
            message += f"{image.file_name!r} as file_name, expected one."
            raise DataError(message, path=where, hint="write each file's own path as file_name.")


class _Search:
    """Index of a source by path and by name."""

    def __init__(self, source: Source, path: str, folder: str) -> None:
        self._known = {file.path for file in source.files()}
        self._composed: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        for file in source.files():
            self._composed.setdefault(compose(file.path), []).append(file.path)
            self._by_name.setdefault(compose(file.name), []).append(file.path)
        self._pictures = [file.path for file in source.files() if file.suffix in IMAGE_SUFFIXES]
        self._bases: list[PurePosixPath] = []
        self._folders: list[PurePosixPath] = []
        for parent in (PurePosixPath(path).parent, *PurePosixPath(path).parent.parents):
            self._bases += [parent / folder, parent]
            self._folders.append(parent / folder)

    def find(self, file_name: str) -> FoundImage | None:
        """Return the file of a name, by its path, or by its last part if that is unique."""
        spelling = PurePosixPath(file_name)
        for spelling in _spellings(file_name):
            place = self._look_up(spelling)
            if place is not None and not spelling.is_absolute():
                return FoundImage(place, _key_of(spelling))
        if _is_absolute(file_name):
            return self._find_absolute(_without_root(spelling))
        alone = self._by_name.get(compose(spelling.name), [])
        return FoundImage(alone[0], _key_of(spelling)) if len(alone) == 1 else None

    def _look_up(self, spelling: PurePosixPath) -> str | None:
        """Return the file of a relative path, with the same or an equivalent spelling."""
        for base in self._bases:
            place = posixpath.normpath(base / spelling)
            if place in self._known:
                return place
            alike = self._composed.get(compose(place), [])
            if len(alike) == 1:
                return alike[0]
        return None

    def _find_absolute(self, spelling: PurePosixPath) -> FoundImage | None:
        """Return the file with the longest matching trailing path."""
        parts = spelling.parts
        tails = (self._look_up(PurePosixPath(*parts[start:])) for start in range(len(parts)))
        place = next((place for place in tails if place is not None), None)
        if place is None:
            alone = self._by_name.get(compose(spelling.name), [])
            place = alone[0] if len(alone) == 1 else None
        if place is None:
            return None
        return FoundImage(place, self._below(place), _key_of(spelling))

    def _below(self, place: str) -> str:
        """Return a path below the folder of images, or below the source, without extension."""
        path = PurePosixPath(place)
        base = next((base for base in self._folders if path.is_relative_to(base)), None)
        return _key_of(path if base is None else path.relative_to(base))

    def list_unused(self, used: Set[str]) -> list[str]:
        """Return the images that no name led to."""
        return [path for path in self._pictures if path not in used]


def _spellings(file_name: str) -> Iterator[PurePosixPath]:
    yield PurePosixPath(file_name)
    windows = PureWindowsPath(file_name)
    if "\\" in file_name or windows.drive.endswith(":"):
        yield PurePosixPath(*windows.parts[bool(windows.anchor) :])


def _is_absolute(file_name: str) -> bool:
    windows = PureWindowsPath(file_name)
    return file_name.startswith("/") or bool(windows.drive or windows.root)


def _without_root(spelling: PurePosixPath) -> PurePosixPath:
    return spelling.relative_to("/") if spelling.is_absolute() else spelling


def _key_of(spelling: PurePosixPath) -> str:
    parts = spelling.parts
    while len(parts) > 1 and parts[0] == "..":
        parts = parts[1:]
    return str(PurePosixPath(*parts).with_suffix(""))


def _name_some(names: Sequence[str]) -> str:
    named = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return f"{named}, ..." if len(names) > _MOST_NAMED else named
