# SPDX-License-Identifier: Apache-2.0
"""The addresses of a file: the user's mirrors, then those of its row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from zoo.errors import DownloadError
from zoo.folders import home_expanded
from zoo.manifest.addresses import ReleaseAsset, is_hosted, parse_hosted, shown_address
from zoo.texts import shown

__all__ = [
    "is_local",
    "is_of_this_machine",
    "is_offline",
    "local_path",
    "mirror_addresses",
    "shown_address",
    "user_mirrors",
]

_SCHEMES = ("https", "http", "file")
_WHERE = "--mirror or ZOO_MIRRORS"


def user_mirrors(named: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the user's mirrors in the order to try.

    Those of the command line come first, then those of ``ZOO_MIRRORS``, separated by commas. A
    mirror is an address (https, http, file, hf or github) or a folder. Its files are verified by
    the digest of the row, so it need not be trusted.

    Args:
        named: Values of ``--mirror``.

    Returns:
        Unique base addresses without a trailing slash; a folder as ``file:``.

    Raises:
        DownloadError: A mirror is neither an address nor an existing folder.
    """
    listed = os.environ.get("ZOO_MIRRORS", "").split(",")
    texts = [text.strip() for text in (*_texts(named), *listed)]
    return tuple(dict.fromkeys(_base(text) for text in texts if text))


def _texts(named: object) -> list[str]:
    """Return the mirrors of a caller, who may pass one or several."""
    if isinstance(named, (str, os.PathLike)):  # a single text is also a sequence of letters
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
    except (OSError, ValueError):  # such as an unclosed bracket, or a name that is too long
        base = None
    if base is None:
        message = f"cannot use the mirror {shown_address(text)!r}: expected https://..., "
        message += "http://..., file:///..., hf://ORG/REPO, github://OWNER/REPO@TAG or a folder "
        message += "that exists."
        raise DownloadError(message, where=_WHERE, hint="correct it, or drop it.")
    return base.rstrip("/")


def _address(text: str) -> str | None:
    if is_hosted(text):
        return parse_hosted(text.rstrip("/"), is_base=True).address
    parts = urlsplit(text)
    if parts.scheme == "file":
        fits = is_of_this_machine(text) and parts.path.startswith("/")
    else:
        fits = parts.scheme in _SCHEMES and bool(parts.hostname)
    return text if fits and not (parts.query or parts.fragment) else None


def _folder(text: str) -> str | None:
    folder = home_expanded(text, _WHERE)
    return folder.resolve().as_uri() if folder.is_dir() else None


def mirror_addresses(mirror: str, sha256: str, filename: str) -> tuple[str, ...]:
    """Return the addresses of a file on a mirror, in the order to try.

    First ``MIRROR/<sha256>/<filename>``, the layout of the cache and of `zoo rescue`, then
    ``MIRROR/<filename>``, the layout of a copy of a publisher's folder. A release has no folders.

    Args:
        mirror: Base address without a trailing slash.
        sha256: Digest of the file, 64 hex digits.
        filename: Name of the file on mirrors.
    """
    plain = f"{mirror}/{filename}"
    if is_hosted(mirror) and isinstance(parse_hosted(mirror, is_base=True), ReleaseAsset):
        return (plain,)
    return f"{mirror}/{sha256}/{filename}", plain


def is_local(address: str) -> bool:
    """Return whether an address is a local file that needs no network access.

    Args:
        address: A URL.
    """
    return address[:5].lower() == "file:"


def is_of_this_machine(address: str) -> bool:
    """Return whether a file address names no other host.

    Args:
        address: A ``file:`` URL.
    """
    return urlsplit(address).netloc.lower() in ("", "localhost")


def local_path(address: str) -> Path:
    """Return the file that a file address of this machine names.

    Args:
        address: A ``file:`` URL without a remote host.
    """
    from urllib.request import url2pathname  # brings http and email, which no listing needs

    return Path(url2pathname(urlsplit(address).path))


def is_offline(asked: bool = False) -> bool:
    """Return whether network access is off: by argument, or by ``ZOO_OFFLINE`` other than 0.

    Args:
        asked: Whether the caller asked for offline mode.
    """
    return asked or os.environ.get("ZOO_OFFLINE", "0") not in ("", "0")
