# SPDX-License-Identifier: Apache-2.0
"""Seals: keyed digests that tell what this user's zoo wrote from what somebody else did.

The key lies in the user's state folder, which nobody else can read; a cache may be shared.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zoo.documents import DocumentError, read_file
from zoo.files import write_new_file

__all__ = ["find_key", "make_key", "seal"]

_NAME = "readings.key"
_KEY_BYTES = 32
_POSIX = os.name == "posix"


def seal(key: bytes, *parts: bytes) -> str:
    """Return the keyed digest of some bytes, 64 hex digits.

    Args:
        key: As `find_key` returns it.
        parts: The bytes, in order.

    Source:
        BLAKE2b with a key, RFC 7693.
    """
    from hashlib import blake2b

    digest = blake2b(key=key, digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def find_key(folder: Path) -> bytes | None:
    """Return the user's key, or None if there is none that only the user can read.

    Args:
        folder: The state folder of the user.
    """
    path = folder / _NAME
    try:
        state = os.lstat(path)
        digits = read_file(path, 4 * _KEY_BYTES).decode("ascii").strip()
        key = bytes.fromhex(digits)
    except (OSError, DocumentError, ValueError):
        return None
    is_own = not _POSIX or (state.st_uid == os.geteuid() and not stat.S_IMODE(state.st_mode) & 0o77)
    return key if is_own and stat.S_ISREG(state.st_mode) and len(key) == _KEY_BYTES else None


def make_key(folder: Path) -> bytes | None:
    """Write a new key, and return the one that lies there then: two processes may write at once.

    Args:
        folder: The state folder of the user.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{_NAME}.{os.getpid()}.part"
    try:
        write_new_file(staged, os.urandom(_KEY_BYTES).hex().encode(), mode=0o600)
        staged.replace(folder / _NAME)
    finally:
        staged.unlink(missing_ok=True)
    return find_key(folder)
