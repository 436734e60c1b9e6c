# SPDX-License-Identifier: Apache-2.0
"""Readings of manifests in the cache: found by the digest of a manifest's bytes, written whole.

    <cache>/manifests/<who>/<sha256>.json     ["<seal>", {"Manifest": [...]}]
    <state>/readings.key                      the key of the seals, of this user alone

``<sha256>`` is the digest of the manifest: one of other bytes is read anew. ``<who>`` stands for
the user's key, zoo's version and its rules. The seal is a keyed digest of the rest: a file that
this user's zoo did not write, or that was cut or altered, is not looked at, and the manifest is
read as if there were none. A cache or a state folder that cannot be written is no error either:
nothing is kept.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from zoo.catalog.readings.seals import find_key, make_key, seal
from zoo.documents import DocumentError, read_file
from zoo.errors import DownloadError
from zoo.files import write_new_file
from zoo.folders import cache_root, state_folder
from zoo.manifest.kinds import KINDS
from zoo.manifest.requirements import API, OLDEST_API
from zoo.manifest.rows import Manifest
from zoo.version import __version__

__all__ = ["Readings", "remove_oldest"]

FORMAT = 1
"""Number of the form in which readings are kept."""

MOST_FILES = 10_000
MOST_BYTES = 2**26
"""Of all readings together: the oldest are removed beyond."""
MOST_BYTES_EACH = 2**23

_HEAD, _MIDDLE, _END = b'["', b'",\n', b"]\n"
_SEAL_DIGITS = 64
_PART = ".part"
_NAME = re.compile(r"[0-9a-f]{64}\.json(?:\.[0-9]+\.part)?")
_ZOO = Path(__file__).resolve().parents[2]
_FOLDER_OF_CODE = _ZOO / "manifest"
_MORE_CODE = tuple(  # what the modules of that folder import, and what keeps their rows
    _ZOO / name
    for name in (
        "documents.py",
        "errors.py",
        "names.py",
        "texts.py",
        "catalog/readings/encoding.py",
    )
)


class Readings:
    """What manifests said when this user's zoo read them last.

    A reading that cannot be found, trusted or kept is none: no method raises for it.

    Args:
        is_kept: Whether new readings are kept.
    """

    def __init__(self, *, is_kept: bool = False) -> None:
        self._root: Path | None = None
        with suppress(DownloadError, RuntimeError):  # no home folder is known
            root = cache_root() / "manifests"
            self._root = None if root.is_symlink() else root  # a link may lead anywhere
        self._state = state_folder()
        self._is_writable = is_kept and self._root is not None and self._state is not None
        self._has_written = False

    @property
    def places(self) -> list[Path]:
        """Return the folders that readings and their key are written to, which may not exist."""
        return [each for each in (self._root, self._state) if each is not None]

    def find(self, digest: str, path: Path) -> Manifest | None:
        """Return what a manifest of these bytes said, or None if that is not known.

        Args:
            digest: sha256 of the manifest's bytes, in hex digits.
            path: Where the manifest lies.
        """
        folder = self._folder
        if folder is None:
            return None
        try:
            data = read_file(os.path.join(folder, f"{digest}.json"), MOST_BYTES_EACH)
        except (OSError, DocumentError):
            return None
        body = data[len(_HEAD) + _SEAL_DIGITS + len(_MIDDLE) : -len(_END)]
        if data != self._sealed(digest, body):
            return None
        from zoo.catalog.readings.encoding import decoded

        try:
            return decoded(body, path)
        except ValueError:
            return None

    def keep(self, digest: str, manifest: Manifest) -> None:
        """Keep what a manifest said.

        Args:
            digest: sha256 of the manifest's bytes, in hex digits.
            manifest: What was read from them; it broke no rule.
        """
        from zoo.catalog.readings.encoding import encoded

        if not self._is_writable:
            return
        try:
            body = encoded(manifest)
        except (TypeError, ValueError):
            return
        try:
            self._write(digest, body)
        except OSError:
            self._is_writable = False  # full or read-only: the other manifests fare no better

    def close(self) -> None:
        """Remove the oldest readings beyond the limits, if some were added."""
        if self._has_written and self._root is not None:
            remove_oldest(self._root)

    def find_stale(self, digests: set[str]) -> list[Path]:
        """Return the files of readings that serve no manifest, or another zoo or user.

        Without a key it is not known which of them serve: none is stale.

        Args:
            digests: sha256 of the bytes of the manifests that are there.
        """
        folder = self._folder
        if folder is None:
            return []
        served = {os.path.join(folder, f"{each}.json") for each in digests}
        return [Path(each.path) for each in _files(self._root) if each.path not in served]

    def _write(self, digest: str, body: bytes) -> None:
        if self._key is None and self._state is not None:
            self._key = make_key(self._state)
        folder = self._folder
        data = self._sealed(digest, body)
        if folder is None or data is None or len(data) > MOST_BYTES_EACH:
            return
        os.makedirs(folder, mode=0o700, exist_ok=True)
        target = os.path.join(folder, f"{digest}.json")
        staged = Path(f"{target}.{os.getpid()}{_PART}")
        try:
            write_new_file(staged, data, mode=0o600, is_durable=False)
            staged.replace(target)
        except OSError:
            with suppress(OSError):
                staged.unlink()
            raise
        self._has_written = True

    @cached_property
    def _key(self) -> bytes | None:
        return None if self._state is None else find_key(self._state)

    @property
    def _folder(self) -> str | None:
        """Return the folder of this key, version and set of rules; None without a key."""
        if self._key is None or self._root is None:
            return None
        return os.path.join(self._root, seal(self._key, self._rules)[:16])

    @cached_property
    def _rules(self) -> bytes:
        """Return what a reading depends on beside the manifest: the code that reads."""
        versions = (FORMAT, __version__, API, OLDEST_API, tuple(KINDS), sys.version_info[:2])
        with suppress(OSError), os.scandir(_FOLDER_OF_CODE) as entries:
            # In a checkout the rules change, and the version does not.
            states = [(each.name, each.stat()) for each in entries if each.name.endswith(".py")]
            states += [(str(path), path.stat()) for path in _MORE_CODE]
            code = sorted((name, state.st_size, state.st_mtime_ns) for name, state in states)
            return repr((versions, code)).encode()
        return repr(versions).encode()

    def _sealed(self, digest: str, body: bytes) -> bytes | None:
        """Return the whole file of a reading."""
        if self._key is None:
            return None
        mark = seal(self._key, self._rules, digest.encode(), body)
        return b"".join((_HEAD, mark.encode(), _MIDDLE, body, _END))


def remove_oldest(root: Path, files: int = MOST_FILES, size_bytes: int = MOST_BYTES) -> None:
    """Remove the readings that were written first, beyond the limits; raises nothing.

    Args:
        root: The folder of all readings.
        files: How many may stay.
        size_bytes: How many bytes they may have together.
    """
    found: list[tuple[float, int, str]] = []
    for entry in _files(root):
        with suppress(OSError):  # another process was faster
            state = entry.stat(follow_symlinks=False)
            found.append((state.st_mtime, state.st_size, entry.path))
    found.sort(reverse=True)
    for number, (_, size, path) in enumerate(found):
        size_bytes -= size
        if number >= files or size_bytes < 0:
            with suppress(OSError):
                os.unlink(path)


def _files(root: Path | None) -> list[os.DirEntry[str]]:
    """Return the files of all readings; a link, or anything of another name, is none."""
    folders = [] if root is None or root.is_symlink() else _entries(root)
    real = [each for each in folders if each.is_dir(follow_symlinks=False)]
    return [
        entry
        for folder in real
        for entry in _entries(folder.path)
        if _NAME.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)
    ]


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
