# SPDX-License-Identifier: Apache-2.0
"""Where a file may come from: the mirrors that a user names, then the addresses of its row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from zoo.errors import DownloadError
from zoo.texts import shown
from zoo.weights.folders import home_expanded

__all__ = [
    "is_local",
    "is_of_this_machine",
    "local_path",
    "mirror_addresses",
    "shown_address",
    "user_mirrors",
]

_SCHEMES = ("https", "http", "file")
_WHERE = "--mirror or ZOO_MIRRORS"


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
    texts = [text.strip() for text in (*_texts(named), *listed)]
    return tuple(dict.fromkeys(_base(text) for text in texts if text))


def _texts(named: object) -> list[str]:
    """Return the mirrors that a caller names: one, or any number of them."""
    if isinstance(named, (str, os.PathLike)):  # one alone is a sequence of letters otherwise
        return [str(named)]
    if isinstance(named, Iterable):
        found = list(named)
        if all(isinstance(each, (str, os.PathLike)) for each in found):
            return [str(each) for each in found]
    message = f"cannot use the mirrors {shown(named)}: expected a list of addresses and folders."
    raise DownloadError(message, where="mirrors", hint='write them like ["https://...", "/mnt/x"].')


def _base(text: str) -> str:
    try:
        is_address = "://" in text or is_local(text)
        base = _address(text) if is_address else _folder(text)
    except (OSError, ValueError):  # as a bracket that is not closed, or a name that is too long
        base = None
    if base is None:
        message = f"cannot use the mirror {shown_address(text)!r}: expected https://..., "
        message += "http://..., file:///... or a folder that exists."
        raise DownloadError(message, where=_WHERE, hint="correct it, or drop it.")
    return base.rstrip("/")


def _address(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme == "file":
        fits = is_of_this_machine(text) and parts.path.startswith("/")
    else:
        fits = parts.scheme in _SCHEMES and bool(parts.hostname)
    return text if fits and not (parts.query or parts.fragment) else None


def _folder(text: str) -> str | None:
    folder = home_expanded(text, _WHERE)
    return folder.resolve().as_uri() if folder.is_dir() else None


def mirror_addresses(mirror: str, sha256: str, filename: str) -> tuple[str, str]:
    """Return the two places where a mirror may hold a file, in the order to ask.

    ``MIRROR/<sha256>/<filename>``, as a cache folder and `zoo rescue` lay files out, then
    ``MIRROR/<filename>``, as a copy of a publisher's folder has it.

    Args:
        mirror: Base address without a trailing slash.
        sha256: Digest of the file, 64 hex digits.
        filename: Name of the file on mirrors.
    """
    return f"{mirror}/{sha256}/{filename}", f"{mirror}/{filename}"


def is_local(address: str) -> bool:
    """Return whether an address is read from disk, without a socket.

    Args:
        address: A URL.
    """
    return address[:5].lower() == "file:"


def is_of_this_machine(address: str) -> bool:
    """Return whether a file address names no other host, whose file it would be.

    Args:
        address: A ``file:`` URL.
    """
    return urlsplit(address).netloc.lower() in ("", "localhost")


def local_path(address: str) -> Path:
    """Return the file that a file address of this machine names.

    Args:
        address: A ``file:`` URL without a remote host.
    """
    return Path(url2pathname(urlsplit(address).path))


def shown_address(address: str) -> str:
    """Return an address as messages show it: without a user's name, password or token.

    Args:
        address: A URL, possibly invalid.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # it is none, and may hold a password all the same
        return f"{address.partition('//')[0]}//..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
