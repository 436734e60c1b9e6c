# SPDX-License-Identifier: Apache-2.0
"""An unfinished file next to its final name, hashed as it grows and renamed once verified."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from zoo.documents import Limits, read_json
from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.cache import note_path, part_path
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.judging import Hashes, fits, wanted

__all__ = ["Origin", "Part", "sync_folder"]

_BLOCK_BYTES = 1 << 20
# Follow no links, and keep line ends on Windows; each system lacks one of these flags.
_PLAINLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an unfinished file.

    Attributes:
        address: Address of the bytes, without a password, a token or a signature.
        validator: Strong ETag from the server, else Last-Modified, else empty.
    """

    address: str
    validator: str

    def is_of(self, address: str) -> bool:
        """Return whether the bytes came from an address.

        Args:
            address: The address, with what it may hold of secrets.
        """
        return self.address == shown_address(address)


class Part:
    """The bytes received so far, kept between runs; a context manager.

    Entering hashes what an earlier run left. Leaving closes and keeps the file, so that a later
    run can resume it.

    Args:
        target: Final path; its folder exists.
        digests: What is known of the complete file; all must fit.
        size_bytes: Size of the complete file.
        with_md5: Whether to compute its md5 too.

    Raises:
        DownloadError: The disk lacks space for the rest, or cannot be written.
    """

    def __init__(
        self, target: Path, digests: Sequence[Digest], size_bytes: int, *, with_md5: bool = False
    ) -> None:
        self.target, self.digests, self.size_bytes = target, tuple(digests), size_bytes
        self.path = part_path(target)
        self._with_md5 = with_md5
        self.received = 0
        self.origin: Origin | None = None
        self.hashes = self._no_hashes()

    def __enter__(self) -> Self:
        with self._writing():
            for path in (self.path, note_path(self.target)):
                _clear_foreign(path)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _PLAINLY, 0o666)
            # Unbuffered: received bytes are in the file even if this process is killed.
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
        with suppress(OSError):  # a full disk was reported on write
            self._file.close()
        if not self.received:
            self.remove()

    def restart(self, origin: Origin | None = None) -> None:
        """Discard the received bytes, and note the origin of the next ones.

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
        self.hashes = self._no_hashes()

    def append(self, data: bytes | memoryview) -> None:
        """Append the next bytes.

        Args:
            data: Bytes that follow those already received.
        """
        with self._writing():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self.hashes.update(data)
        self.received += len(data)

    def finish(self) -> Path:
        """Verify the complete file, flush it to disk and move it to its final name.

        Raises:
            HashMismatchError: The digest differs; the received bytes are discarded.
            DownloadError: It cannot be written.
        """
        actual, md5 = self.hashes.sha256, self.hashes.md5
        wrong = next((each for each in self.digests if not fits(each, actual, md5)), None)
        if wrong is not None:
            self.restart()
            found = f"md5 is {md5}" if wrong.kind == "md5_prefix" else f"sha256 is {actual}"
            message = f"cannot accept {self.target.name}: {found}, expected {wanted(wrong)}."
            digests = {"expected": wrong.value, "actual": actual}
            raise HashMismatchError(message, **digests, where=self.target)
        with self._writing():
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.replace(self.target)
            sync_folder(self.target.parent)
            note_path(self.target).unlink(missing_ok=True)
        return self.target

    @property
    def is_pinned(self) -> bool:
        """Return whether a whole digest decides, so that bytes of several answers may be joined."""
        return any(digest.is_full for digest in self.digests)

    def can_continue(self, address: str) -> bool:
        """Return whether the next bytes of an address may follow those received.

        Without a whole digest, only if the host can say that it is still the same file.

        Args:
            address: The address to ask.
        """
        origin = self.origin
        is_same = origin is not None and origin.is_of(address) and bool(origin.validator)
        return self.is_pinned or is_same

    def _no_hashes(self) -> Hashes:
        return Hashes(with_md5=self._with_md5)

    def remove(self) -> None:
        """Remove the unfinished file and its note."""
        for path in (self.path, note_path(self.target)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Hash what an earlier run left, and read its origin."""
        if self._file.seek(0, os.SEEK_END) > self.size_bytes:
            self.restart()
            return
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            self.hashes.update(block)
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
    """Remove anything that zoo did not write: a link, a pipe, or a hard link.

    Writing to a link would change its target, and reading a pipe would block forever.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk, so that a rename survives a power failure.

    Args:
        folder: An existing folder.
    """
    if os.name == "nt":
        return  # Windows cannot open folders, and NTFS journals renames
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
