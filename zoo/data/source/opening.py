# SPDX-License-Identifier: Apache-2.0
"""Open a raw data set, wherever in a folder or an archive it starts."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zoo.data.source.rooted import RootedSource, find_root
from zoo.data.source.source import FolderSource, Source, ZipSource, stat_of, unreadable
from zoo.data.source.zip_check import open_archive
from zoo.errors import DataError

__all__ = ["open_source"]


@contextmanager
def open_source(path: Path, *, expects: Sequence[str] = ()) -> Iterator[Source]:
    """Open a folder or a zip to read it in place.

    With ``expects``, a folder around all files, as many archives have it, makes no difference: the
    source starts in the folder that holds these names, wherever it lies.

    An archive is refused if any entry is absolute, contains ``..``, is a link or a device, is
    encrypted, is repeated, shares bytes with another entry, or unpacks to far more than its size.

    Args:
        path: A folder or a ``.zip`` file.
        expects: Names of files and folders at the top of the data set, such as
            ``("images", "labels.csv")``.

    Raises:
        DataError: The path does not exist, is neither of the two, or the archive is refused; or
            no folder in it holds what is expected, or several do.
    """
    path = Path(path)
    found = stat_of(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        yield _rooted(FolderSource(path), expects)
        return
    if found is None:
        message = f"cannot read the source {path.name!r}: there is no such file or folder."
        raise DataError(message, path=path, hint="give the folder or the .zip of the raw data.")
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would block forever
        message = f"cannot read the source {path.name!r}: found a pipe or a device, "
        message += "expected a folder or a .zip."
        raise DataError(message, path=path, hint="give the folder or the .zip of the raw data.")
    with _open_archive(path) as archive:
        yield _rooted(ZipSource(path, archive), expects)


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return open_archive(path)
    except OSError as error:
        raise unreadable(str(path), error) from error


def _rooted(source: Source, expects: Sequence[str]) -> Source:
    root = find_root(source, expects) if expects else ""
    return RootedSource(source, root) if root else source
