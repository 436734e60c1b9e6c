# SPDX-License-Identifier: Apache-2.0
"""Find legacy checkpoints on this disk and match them to legacy rows by digest."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from zoo.catalog import Found
from zoo.errors import DownloadError
from zoo.manifest.legacy_rows import LegacyRow

__all__ = ["DIGITS", "LegacyIndex", "OldFile", "find_files", "read_old_file"]

_LOG = logging.getLogger("zoo")
_SUFFIXES = (".pth", ".pt", ".ckpt")
# The old format of torch.save starts with this pickled number; the new one is a zip archive.
_OLDER_FORM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_START_BYTES = 512
_KEPT_BYTES = 2**30  # for any checkpoint; for one whose name matches, what fits in memory
DIGITS = re.compile(r"-([0-9a-f]{8})\.pth$")
"""First digits of a file's sha256, which OpenMMLab puts at the end of its name."""


@dataclass(frozen=True, slots=True)
class OldFile:
    """One examined file.

    Attributes:
        path: The file; it is only read.
        size_bytes: Size of the file.
        sha256: Digest, or None if the first bytes were enough to judge it.
        rows: Matching legacy rows; several if upstream lists a file twice.
        reason: Why it does not match, or None.
        is_damaged: Whether its name implies another digest than it has.
        data: Bytes of a matching file, so that it is read once; None if they are too many.
    """

    path: Path
    size_bytes: int
    sha256: str | None = None
    rows: tuple[Found, ...] = ()
    reason: str | None = None
    is_damaged: bool = False
    data: bytes | None = None


class LegacyIndex:
    """Legacy rows by digest prefix and by file name.

    Args:
        rows: Rows from `zoo.weights.legacy.legacy_rows`.
        accepted: Full digests of files that may match by name if upstream states no digits.
    """

    def __init__(self, rows: Iterable[Found], accepted: Iterable[str] = ()) -> None:
        self.accepted = frozenset(accepted)
        self._by_digits: dict[str, list[Found]] = {}
        self._by_name: dict[str, list[Found]] = {}
        for found in rows:
            if isinstance(found.row, LegacyRow):
                if found.row.sha256_prefix is not None:
                    self._by_digits.setdefault(found.row.sha256_prefix, []).append(found)
                for name in {found.row.file_name, unquote(found.row.file_name)}:
                    self._by_name.setdefault(name, []).append(found)

    def expects(self, name: str) -> bool:
        """Return whether the name of a file implies that it is in the index.

        Args:
            name: Name of the file, without its folder.
        """
        digits = DIGITS.search(name)
        return name in self._by_name or (digits is not None and digits[1] in self._by_digits)

    def match(self, name: str, sha256: str) -> tuple[tuple[Found, ...], str | None, bool]:
        """Return the rows of a file, or why none match and whether it is damaged.

        Args:
            name: Name of the file.
            sha256: Digest of the file.
        """
        by_digits = self._by_digits.get(sha256[:8])
        if by_digits:
            return tuple(by_digits), None, False
        named = self._by_name.get(name, [])
        digits = DIGITS.search(name)
        stated = digits[1] if digits else None
        if named and stated is None:
            if sha256 in self.accepted:
                return tuple(named), None, False
            reason = f"its name is that of {named[0].row.name}, which upstream gave no digits of "
            reason += f"a sha256: nothing verifies it; --accept {sha256} takes it as it is"
            return (), reason, False
        if stated is None:
            return (), "in no index, by its digest", False
        if stated == sha256[:8]:
            return (), "in no index; its bytes match the digits in its name", False
        reason = f"damaged or changed: its sha256 begins with {sha256[:8]}, its name says {stated}"
        return (), reason, True


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files in these paths, sorted, each once even if it has several names.

    Folders are searched recursively without following links to other folders. Unreadable parts
    are reported and skipped.

    Args:
        paths: Files and folders to search.

    Raises:
        DownloadError: A path does not exist, or cannot be read.
    """
    seen: dict[tuple[int, int], Path] = {}
    for path in paths:
        if not path.exists():
            message = f"cannot rescue from {str(path)!r}: no such file or folder."
            raise DownloadError(message, where=path, hint="name a folder of old checkpoints.")
        for file in _walk(path) if path.is_dir() else [path]:
            status = file.stat()
            seen.setdefault((status.st_dev, status.st_ino), file)
    return sorted(seen.values())


def _walk(folder: Path) -> Iterator[Path]:
    def tell(error: OSError) -> None:
        reason = error.strerror or error
        if Path(error.filename) == folder:
            message = f"cannot rescue from {str(folder)!r}: {reason}."
            hint = "name folders that you can read."
            raise DownloadError(message, where=folder, hint=hint) from error
        _LOG.warning("cannot read %s: %s", error.filename, reason)

    for root, _, names in os.walk(folder, onerror=tell):
        for name in names:
            file = Path(root, name)
            try:
                is_file = file.is_file()  # not a broken link or a pipe
            except OSError as error:
                tell(error)
            else:
                if is_file:
                    yield file


def read_old_file(path: Path, index: LegacyIndex) -> OldFile | None:
    """Examine a file; return None if neither content nor name is that of a checkpoint.

    Other files are read only up to 512 bytes; a checkpoint is read once, completely. Its bytes
    are kept if they fit in memory together with its tensors.

    Args:
        path: The file to examine.
        index: The legacy rows to match.
    """
    try:
        with path.open("rb") as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            start = stream.read(_START_BYTES)
            if not _is_checkpoint(start):
                if path.suffix.lower() not in _SUFFIXES:
                    return None
                return OldFile(path, size_bytes, reason=_foreign_reason(start))
            stream.seek(0)
            most_bytes = _memory_bytes() // 4 if index.expects(path.name) else _KEPT_BYTES
            data = stream.read() if size_bytes <= most_bytes else None
            if data is not None:
                sha256 = hashlib.sha256(data).hexdigest()
            else:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return OldFile(path, 0, reason=f"it cannot be read: {error.strerror or error}")
    rows, reason, is_damaged = index.match(path.name, sha256)
    return OldFile(path, size_bytes, sha256, rows, reason, is_damaged, data if rows else None)


def _memory_bytes() -> int:
    if not hasattr(os, "sysconf"):  # Windows
        return 4 * _KEPT_BYTES
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _is_checkpoint(start: bytes) -> bool:
    is_zip = start.startswith(b"PK\x03\x04") and b"/data.pkl" in start
    return is_zip or start.startswith(_OLDER_FORM)


def _foreign_reason(start: bytes) -> str:
    if not start:
        return "it is empty"
    if start.lstrip()[:1] == b"<":
        return "it is a web page; its download went wrong"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself"
    return "it does not start like a file written by torch.save"
