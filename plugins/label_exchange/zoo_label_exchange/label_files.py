# SPDX-License-Identifier: Apache-2.0
"""Files of labels, opened within limits; whatever is no such file is refused by its name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Never
from xml.etree import ElementTree

from zoo.data import Source
from zoo.documents import DocumentError, Limits, parse_json, reason_of
from zoo.errors import DataError
from zoo.interfaces import LabelledImage

__all__ = ["LabelFile", "classes_of"]

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
        except (ElementTree.ParseError, ValueError, RecursionError) as error:
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


def classes_of(images: Iterable[LabelledImage]) -> tuple[str, ...]:
    """Return the names of all classes, sorted, for a format that has no list of them.

    Args:
        images: Read already.
    """
    return tuple(sorted({each.label for image in images for each in image.objects}))
