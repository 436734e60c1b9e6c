# SPDX-License-Identifier: Apache-2.0
"""Raw data sets: a folder or a zip, read in place and never changed."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from zoo.data.source.reading import MOST_BYTES, read_file
from zoo.data.source.synthetic import MARK_NAME, Synthetic, read_mark
from zoo.data.source.zip_check import DAMAGE, check_archive, entry_path
from zoo.errors import DataError

__all__ = ["FolderSource", "Source", "SourceFile", "ZipSource", "stat_of", "unreadable"]

_JUNK_NAMES = {"Thumbs.db", "desktop.ini"}
_JUNK_FOLDERS = {"__MACOSX"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Args:
        path: Path relative to the source, with ``/`` as separator.
        size_bytes: Unpacked size, as stated by the folder or the archive.
    """

    path: str
    size_bytes: int

    @property
    def name(self) -> str:
        """The file name, such as ``x_mask.PNG``."""
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        """The name without its suffix, such as ``x_mask``."""
        return PurePosixPath(self.path).stem

    @property
    def suffix(self) -> str:
        """The suffix in lower case with its dot, such as ``.png``."""
        return PurePosixPath(self.path).suffix.lower()

    @property
    def folder(self) -> str:
        """The folder of the file; ``""`` at the top."""
        parent = str(PurePosixPath(self.path).parent)
        return "" if parent == "." else parent


class Source(ABC):
    """Files that can be listed and read, both thread-safe.

    Args:
        path: The folder or the archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _listed(self) -> tuple[SourceFile, ...]:
        return tuple(sorted(self._list(), key=lambda file: file.path))

    @cached_property
    def _files(self) -> tuple[SourceFile, ...]:
        return tuple(file for file in self._listed if not _is_junk(file.path))

    def synthetic(self) -> Synthetic | None:
        """Return who generated the data, or None if it has no such mark.

        Raises:
            DataError: The mark exists but cannot be read.
        """
        for file in self._listed:
            if file.name == MARK_NAME:
                return read_mark(self.read(file.path), self.where(file.path))
        return None

    def files(self) -> tuple[SourceFile, ...]:
        """Return every file, sorted by path, without hidden files and additions of archivers.

        Raises:
            DataError: A folder cannot be listed.
        """
        return self._files

    @abstractmethod
    def _list(self) -> Iterator[SourceFile]: ...

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the bytes of one file.

        Args:
            path: Path from :meth:`files`.

        Raises:
            DataError: The file does not exist or cannot be read; the message names it.
        """

    @abstractmethod
    def where(self, path: str) -> str:
        """Return the name of ``path`` for error messages.

        Args:
            path: Path inside the source, with ``/``.
        """


def _is_junk(path: str) -> bool:
    *folders, name = path.split("/")
    hidden = any(part.startswith(".") for part in (*folders, name))
    return hidden or name in _JUNK_NAMES or not _JUNK_FOLDERS.isdisjoint(folders)


class FolderSource(Source):
    """A folder; links to files and folders are followed, each real folder only once.

    A broken link is listed but cannot be read, so a data set with missing files is reported rather
    than treated as smaller.
    """

    def _list(self) -> Iterator[SourceFile]:
        seen: set[tuple[int, int]] = set()
        for folder, folders, names in os.walk(self.path, onerror=_refuse, followlinks=True):
            status = os.stat(folder)
            key = (status.st_dev, status.st_ino)
            if key in seen:
                folders.clear()
                continue
            seen.add(key)
            for name in names:
                file = Path(folder, name)
                path = file.relative_to(self.path).as_posix()
                status_of_file = stat_of(file)
                if status_of_file is None and file.is_symlink():
                    yield SourceFile(path, 0)  # read() reports the broken link
                elif status_of_file is not None and stat.S_ISREG(status_of_file.st_mode):
                    yield SourceFile(path, status_of_file.st_size)

    def read(self, path: str) -> bytes:
        """Return the bytes of one file; see :meth:`Source.read`.

        Args:
            path: Path inside the source, with ``/``.
        """
        return read_file(self.path / path)

    def where(self, path: str) -> str:
        """Return the file's path.

        Args:
            path: Path inside the source, with ``/``.
        """
        return str(self.path / path)

    def synthetic(self) -> Synthetic | None:
        """Return who generated the data; a subfolder of a sample counts too."""
        found = super().synthetic()
        for folder in self.path.absolute().parents if found is None else ():
            if (folder / MARK_NAME).is_file():
                return read_mark(read_file(folder / MARK_NAME), str(folder / MARK_NAME))
        return found


class ZipSource(Source):
    """An archive that `zoo.data.source.zip_check.check_archive` accepted; it is not unpacked.

    Args:
        path: The archive.
        archive: The open archive.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        super().__init__(path)
        self._archive = archive
        self._entries = check_archive(path, archive.infolist(), path.stat().st_size)

    def _list(self) -> Iterator[SourceFile]:
        for path, entry in self._entries.items():
            yield SourceFile(path, entry.file_size)

    def read(self, path: str) -> bytes:
        """Return the bytes of one entry; see :meth:`Source.read`.

        Args:
            path: Path inside the source, with ``/``.
        """
        entry = self._entries.get(entry_path(path))
        if entry is None:
            message = f"cannot read {path!r}: no such entry in the archive."
            raise DataError(message, path=self.where(path))
        if entry.file_size > MOST_BYTES:
            message = f"cannot read {path!r}: it has {entry.file_size} bytes, "
            message += f"expected at most {MOST_BYTES}."
            raise DataError(message, path=self.where(path), hint="remove it from the source.")
        try:
            return self._archive.read(entry)
        except DAMAGE as error:
            raise unreadable(self.where(path), error) from error

    def where(self, path: str) -> str:
        """Return the archive's path and the entry's name.

        Args:
            path: Path inside the source, with ``/``.
        """
        return f"{self.path}!{path}"


def stat_of(path: Path) -> os.stat_result | None:
    """Return the status of a path, or None if it is missing or a broken link.

    Args:
        path: A file or folder.

    Raises:
        DataError: The system refuses to tell.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(str(path), error) from error


def _refuse(error: OSError) -> None:
    raise unreadable(str(error.filename), error) from error


def unreadable(where: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be read.

    Args:
        where: The file, as messages name it.
        error: What reading it raised.
    """
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, (UnicodeError, LookupError, struct.error)):  # Python's, not the file's
        reason = "the archive's entry is damaged"
    name = PurePosixPath(where.replace("!", "/")).name
    message = f"cannot read {name!r}: {reason or type(error).__name__}."
    hint = "replace the file with an intact copy, or remove it from the source."
    if isinstance(error, PermissionError):
        hint = "give yourself permission to read it, or remove it from the source."
    return DataError(message, path=where, hint=hint)
