# SPDX-License-Identifier: Apache-2.0
"""Whether bytes are those of a digest, whole or in part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from zoo.errors import HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.fetching.setbacks import Setback

__all__ = ["Hashes", "check_stated", "fits", "wanted"]


class Hashes:
    """The sha256 of bytes as they arrive, and their md5 where nothing better is known.

    Args:
        with_md5: Whether to compute the md5 too.
    """

    def __init__(self, *, with_md5: bool) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def update(self, data: bytes | memoryview) -> None:
        """Add the next bytes.

        Args:
            data: The bytes.
        """
        self._sha256.update(data)
        if self._md5 is not None:
            self._md5.update(data)

    @property
    def sha256(self) -> str:
        """Return the sha256 of the bytes so far, 64 hex digits."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """Return the md5 of the bytes so far, 32 hex digits, or None if it is not computed."""
        return None if self._md5 is None else self._md5.hexdigest()


def fits(digest: Digest, sha256: str, md5: str | None = None) -> bool:
    """Return whether a file may be the one that a digest means.

    Args:
        digest: What is known of the file beforehand.
        sha256: Digest of the file, 64 hex digits.
        md5: Its md5, or None if that is not known, which then rules nothing out.
    """
    if digest.kind == "md5_prefix":
        return md5 is None or md5.startswith(digest.value)
    return sha256.startswith(digest.value)  # the value of a revision is empty


def wanted(digest: Digest) -> str:
    """Return what is expected, for a message: ``sha256 ..., expected <this>``.

    Args:
        digest: What is known of the file beforehand.
    """
    if digest.kind == "md5_prefix":
        return f"an md5 that starts with {digest.value}"
    return digest.value if digest.is_full else f"one that starts with {digest.value}"


def check_stated(sha256: str, digests: Sequence[Digest], name: str) -> None:
    """Raise an error if a host states another file than is expected.

    Args:
        sha256: Digest that the host states, 64 hex digits.
        digests: What is known of the file; all must fit.
        name: Name of the file, for the message.

    Raises:
        Setback: One does not fit.
    """
    for digest in digests:
        if not fits(digest, sha256):
            reason = f"the hub states the sha256 {sha256}, expected {wanted(digest)}"
            message = f"cannot accept {name}: {reason}."
            mismatch = HashMismatchError(message, expected=digest.value, actual=sha256)
            raise Setback(reason=reason, mismatch=mismatch)
