# SPDX-License-Identifier: Apache-2.0
"""Files of labels, opened within limits; whatever is no such file is refused by its name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Never
from xml.etree import ElementTree

from zoo.data import IMAGE_SUFFIXES, MOST_PX, Source, compose
from zoo.documents import DocumentError, Limits, parse_json, reason_of
from zoo.errors import DataError
from zoo.interfaces import LabelledImage

__all__ = ["LabelFile", "Pictures", "classes_of", "is_size"]

_LIMITS = Limits(2**31, values=1_000_000_000, depth=64)
_HINT = "choose the file with --annotations, or another --format."


class LabelFile:
    """One file of a source.

    Args:
        source: A folder or a zip.
        path: The file in it.
        kind: What it should be, for messages.
    """

    def __init__(self, source: Source, path: str, kind: str) -> None:
        self.path, self._source, self._kind = path, source, kind

    def refuse(self, found: str, hint: str = _HINT) -> Never:
        """Raise the error of a file that is not what it should be.

        Args:
            found: What is wrong with it, a clause.
            hint: What to do.

        Raises:
            DataError: Always.
        """
        name = PurePosixPath(self.path).name
        message = f"cannot read {name!r} as {self._kind}: {found}."
        raise DataError(message, path=self._source.where(self.path), hint=hint)

    def json(self) -> Any:
        """Return the file as JSON.

        Raises:
            DataError: It is none.
        """
        try:
            return parse_json(self._source.read(self.path), _LIMITS)
        except DocumentError as error:
            self.refuse(reason_of(error))

    def xml(self) -> ElementTree.Element:
        """Return the root of the file as XML; entities, which could blow it up, are refused.

        Raises:
            DataError: It is none.
        """
        data = self._source.read(self.path)
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\0" in data:
            self.refuse("found a document type or UTF-16, expected plain XML in UTF-8")
        try:
            return ElementTree.fromstring(data)  # noqa: S314 (no entities: see above)
        except (ElementTree.ParseError, LookupError, ValueError, RecursionError) as error:
            self.refuse(f"it is not XML: {error}")

    def beside(self, name: str) -> str:
        r"""Return a path in the source that is written relative to this file.

        Absolute names and those of Windows stay as they are: their folders are of another machine.

        Args:
            name: With ``/`` or ``\``.
        """
        if name.startswith(("/", "\\")) or name[1:2] == ":" or "://" in name:
            return name
        folder = posixpath.dirname(self.path)
        return posixpath.normpath(posixpath.join(folder, name.replace("\\", "/")))


class Pictures:
    """Images of a source, which files of labels name.

    Args:
        source: A folder or a zip.
    """

    def __init__(self, source: Source) -> None:
        self._paths: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        for file in source.files():
            if file.suffix in IMAGE_SUFFIXES:
                self._paths[compose(file.path)] = file.path
                self._by_name.setdefault(compose(file.name), []).append(file.path)

    def named(self, file: str, *names: str, folders: Sequence[str] = ("images",)) -> str:
        r"""Return the path of the image that a file of labels means, or the last name as it is.

        Only a name that several images have is looked up: in the folders around the file, the
        nearest first. The top of the source is left to whoever prepares the data.

        Args:
            file: Path of the file of labels.
            names: What the image may be called, with ``/`` or ``\``; the likeliest first.
            folders: Folders of images in such a folder.
        """
        for name in names:
            wanted = name.replace("\\", "/")
            if len(self._by_name.get(compose(posixpath.basename(wanted)), ())) < 2:
                continue
            for parent in PurePosixPath(file).parents:
                for folder in ("", *folders):
                    path = posixpath.normpath(str(parent / folder / wanted))
                    is_left = str(parent) == "." and name == names[-1] and folder in ("", "images")
                    if not is_left and compose(path) in self._paths:
                        return self._paths[compose(path)]
        return names[-1]


def is_size(width: object, height: object) -> bool:
    """Return whether two values are the sides of an image that zoo opens, in px.

    Args:
        width: Whatever a file states.
        height: Whatever a file states.
    """
    if not (type(width) is int and type(height) is int):
        return False
    return min(width, height) > 0 and width * height <= MOST_PX


def classes_of(images: Iterable[LabelledImage]) -> tuple[str, ...]:
    """Return the names of all classes, sorted, for a format that has no list of them.

    Args:
        images: Read already.
    """
    return tuple(sorted({each.label for image in images for each in image.objects}))
