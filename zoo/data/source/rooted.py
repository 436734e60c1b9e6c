# SPDX-License-Identifier: Apache-2.0
"""A source that starts in one of its folders, as archives with a folder around all files do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from zoo.data.source.source import Source, SourceFile
from zoo.data.source.synthetic import Synthetic
from zoo.errors import DataError

__all__ = ["RootedSource", "find_root"]

_MOST_NAMED = 5
_DEEPEST = 16  # folders above a data set; an archive may state thousands


class RootedSource(Source):
    """The files below a folder of another source, with paths relative to it.

    Args:
        inner: The whole source.
        root: The folder, with ``/`` as separator and not empty.
    """

    def __init__(self, inner: Source, root: str) -> None:
        super().__init__(inner.path)
        self._inner = inner
        self._root = root

    def _list(self) -> Iterator[SourceFile]:
        start = f"{self._root}/"
        for file in self._inner.files():
            if file.path.startswith(start):
                yield SourceFile(file.path.removeprefix(start), file.size_bytes)

    def synthetic(self) -> Synthetic | None:
        """Return who generated the data; a mark beside the folder counts too."""
        return self._inner.synthetic()

    def read(self, path: str) -> bytes:
        """Return the bytes of one file; see :meth:`Source.read`.

        Args:
            path: Path below the folder, with ``/``.
        """
        return self._inner.read(f"{self._root}/{path}")

    def where(self, path: str) -> str:
        """Return the name of a file in the whole source.

        Args:
            path: Path below the folder, with ``/``.
        """
        return self._inner.where(f"{self._root}/{path}")


def find_root(source: Source, expected: Sequence[str]) -> str:
    """Return the only folder of a source that holds all expected names; ``""`` for its top.

    The top wins over folders below it, of which those up to 16 levels deep are looked at.

    Args:
        source: The whole source.
        expected: Names of files and folders.

    Raises:
        DataError: No folder holds them, or several below the top do.
    """
    inside: dict[str, set[str]] = {"": set()}
    for file in source.files():
        parts = file.path.split("/", _DEEPEST)
        folders = ["", *accumulate(parts[:-1], lambda folder, part: f"{folder}/{part}")]
        for folder, name in zip(folders, parts, strict=True):
            inside.setdefault(folder, set()).add(name)
    fitting = [folder for folder, names in inside.items() if set(expected) <= names]
    if "" in fitting:
        return ""
    if len(fitting) == 1:
        return fitting[0]
    wanted = " and ".join(repr(name) for name in expected)
    if fitting:
        found = ", ".join(repr(folder) for folder in sorted(fitting)[:_MOST_NAMED])
        message = f"cannot choose between several sets: found {wanted} in {found}."
        raise DataError(message, path=source.path, hint="give one of these folders.")
    tops = sorted(inside[""])
    found = ", ".join(repr(name) for name in tops[:_MOST_NAMED]) or "nothing"
    more = f" and {len(tops) - _MOST_NAMED} more" if len(tops) > _MOST_NAMED else ""
    message = f"cannot use the source: found {found}{more}, expected a folder that holds {wanted}."
    raise DataError(message, path=source.path, hint="give the folder or the .zip of the raw data.")
