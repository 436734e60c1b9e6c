# SPDX-License-Identifier: Apache-2.0
"""An unfinished file beside its final name: hashed as it grows, renamed only when it is right."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from zoo.documents import Limits, read_json
from zoo.errors import DownloadError, HashMismatchError
from zoo.weights.cache import note_path, part_path

__all__ = ["Origin", "Part", "sync_folder"]

_BLOCK_BYTES = 1 << 20
# No link is followed, and Windows changes no line ends; each system lacks one of them.
_PLAINLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Origin:
    """What the bytes of an unfinished file began with.

    Attributes:
        address: Where they came from.
        validator: The strong ETag that it gave them, else its Last-Modified, else empty.
    """

    address: str
    validator: str


class Part:
    """The bytes received so far, kept between runs; used as a context.

    Entering hashes what an earlier run left. Leaving closes the file and keeps it; what was not
    finished is gone on with another time.

    Args:
        target: The final path; its folder exists.
        sha256: What the whole file must have.
        size_bytes: How long it must be.

    Raises:
        DownloadError: The disk has not the space for the rest, or cannot be written.
    """

    def __init__(self, target: Path, sha256: str, size_bytes: int) -> None:
        self.target, self.sha256, self.size_bytes = target, sha256, size_bytes
        self.path = part_path(target)
        self.received = 0
        self.origin: Origin | None = None
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        with self._writing():
            for path in (self.path, note_path(self.target)):
                _clear_foreign(path)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _PLAINLY, 0o666)
            # Unbuffered: what came is in the file even if this process is killed now.
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._take_up()
            self._check_space()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a disk that is full has been reported by whoever wrote to it
            self._file.close()
        if not self.received:
            self.remove()

    def restart(self, origin: Origin | None = None) -> None:
        """Throw away what was received, and note where the next bytes come from.

        Args:
            origin: Source of the next bytes; None if it is not known.
        """
        with self._writing():
            note_path(self.target).unlink(missing_ok=True)
            self._file.seek(0)
            self._file.truncate()
            if origin is not None and origin.validator:
                note_path(self.target).write_text(json.dumps(asdict(origin)), "utf-8")
        self.received, self.origin = 0, origin
        self._digest = hashlib.sha256()

    def append(self, data: bytes) -> None:
        """Add the next bytes.

        Args:
            data: Bytes that follow those already received.
        """
        with self._writing():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.received += len(data)

    def finish(self) -> Path:
        """Move the whole file to its final name, once it is on disk and its digest holds.

        Raises:
            HashMismatchError: It is another file; what was received is thrown away.
            DownloadError: It cannot be written.
        """
        actual = self._digest.hexdigest()
        if actual != self.sha256:
            self.restart()
            message = f"cannot accept {self.target.name}: sha256 is {actual}, "
            message += f"expected {self.sha256}."
            raise HashMismatchError(message, expected=self.sha256, actual=actual, where=self.target)
        with self._writing():
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.replace(self.target)
            sync_folder(self.target.parent)
            note_path(self.target).unlink(missing_ok=True)
        return self.target

    def remove(self) -> None:
        """Remove the unfinished file and what was noted of it."""
        for path in (self.path, note_path(self.target)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Hash what an earlier run left, and read where it came from."""
        if self._file.seek(0, os.SEEK_END) > self.size_bytes:
            self.restart()
            return
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            self._digest.update(block)
            self.received += len(block)
        # Without a note the digest alone decides.
        with suppress(OSError, ValueError, TypeError, RecursionError):
            origin = Origin(**read_json(note_path(self.target), Limits(size_bytes=2**16)))
            if isinstance(origin.address, str) and isinstance(origin.validator, str):
                self.origin = origin

    def _check_space(self) -> None:
        wanted = self.size_bytes - self.received
        free = shutil.disk_usage(self.target.parent).free
        if wanted > free:
            message = f"cannot download {self.target.name}: it needs {wanted / 1e6:,.1f} MB more, "
            message += f"the disk has {free / 1e6:,.1f} MB left."
            hint = "free some space there, or name another folder with --dest or ZOO_CACHE."
            raise DownloadError(message, where=self.target.parent, hint=hint)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"cannot write {self.target.name}: {error.strerror or error}."
            hint = "set --dest or ZOO_CACHE to a folder that you can write."
            if error.errno in _IS_FULL:
                hint = "free some space there and run it again: the bytes received are kept."
            raise DownloadError(message, where=self.target.parent, hint=hint) from error


def _clear_foreign(path: Path) -> None:
    """Remove what no run of ours left there: a link, a pipe, another name of a file elsewhere.

    To write to it would write to what it stands for; to read a pipe would wait for ever.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk, so that a rename outlives a power cut.

    Args:
        folder: An existing folder.
    """
    if os.name == "nt":
        return  # folders cannot be opened there, and NTFS journals renames
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
