# SPDX-License-Identifier: Apache-2.0
"""Where a file may come from: the mirrors that a user names, then the addresses of its row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from zoo.errors import DownloadError

__all__ = ["is_local", "mirror_addresses", "shown_address", "user_mirrors"]

_SCHEMES = ("https", "http", "file")


def user_mirrors(named: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the mirrors that the user names, in the order in which they are asked.

    Those of the command line come first, then those of ``ZOO_MIRRORS``, separated by commas. A
    mirror is an address (https, http or file) or a folder; what it serves is held to the digest
    of the row, so it need not be trusted.

    Args:
        named: What ``--mirror`` gave.

    Returns:
        Base addresses without a slash at the end, each once; a folder as ``file:``.

    Raises:
        DownloadError: One is neither an address nor a folder that exists.
    """
    listed = os.environ.get("ZOO_MIRRORS", "").split(",")
    texts = [text.strip() for text in (*named, *listed)]
    return tuple(dict.fromkeys(_base(text) for text in texts if text))


def _base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme in _SCHEMES and not (parts.query or parts.fragment):
        if parts.netloc or parts.scheme == "file":
            return text.rstrip("/")
    elif "://" not in text and Path(text).expanduser().is_dir():
        return Path(text).expanduser().resolve().as_uri().rstrip("/")
    message = f"cannot use the mirror {shown_address(text)!r}: expected https://..., http://..., "
    message += "file://... or a folder that exists."
    raise DownloadError(message, where="--mirror or ZOO_MIRRORS", hint="mend it, or leave it out.")


def mirror_addresses(mirror: str, sha256: str, filename: str) -> tuple[str, str]:
    """Return the two places where a mirror may hold a file, in the order to ask.

    ``MIRROR/<sha256>/<filename>``, as a cache folder and `zoo rescue` lay files out, then
    ``MIRROR/<filename>``, as a copy of a publisher's folder has it.
    """
    return f"{mirror}/{sha256}/{filename}", f"{mirror}/{filename}"


def is_local(address: str) -> bool:
    """Return whether an address is read from disk, without a socket."""
    return address.startswith("file:")


def shown_address(address: str) -> str:
    """Return an address as messages show it: without a user's name, password or token."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
