# SPDX-License-Identifier: Apache-2.0
"""The URL of pretrained weights as a user types it: ``https://host/vgg16.pth#sha256=...``.

``hf://ORG/REPO@REVISION/vgg16.pth#sha256=...`` and ``github://...`` are such URLs too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zoo.errors import ConfigError
from zoo.manifest.addresses import is_hosted, parse_hosted
from zoo.weights.fetching.addresses import shown_address

__all__ = ["PretrainedURL", "is_url", "read_url"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:")
_SCHEMES = ("https", "http", "file")
_DIGEST = re.compile(r"sha256=([0-9A-Fa-f]{64})")
_OPTION = "--pretrained"
_HINT = "append #sha256=... (`sha256sum FILE` of a copy that you trust), or download it and "
_HINT += "pass the file."


@dataclass(frozen=True, slots=True)
class PretrainedURL:
    """A URL of weights, and their digest.

    Attributes:
        address: https, http, file, hf or github, without the digest.
        sha256: 64 hex digits, lower case.
    """

    address: str
    sha256: str

    @property
    def shown(self) -> str:
        """Return it as kept in records: without a password, a token or a personal folder."""
        shown = shown_address(self.address)
        if shown.startswith("file:"):
            shown = shown.rpartition("/")[2]
        return f"{shown}#sha256={self.sha256}"


def is_url(choice: Any) -> bool:
    """Return whether a choice of weights is a URL, not a file or a folder.

    Args:
        choice: What a user gave as ``--pretrained``.
    """
    return isinstance(choice, str) and _URL.match(choice) is not None


def read_url(text: str) -> PretrainedURL:
    """Parse a URL and its digest, without network access.

    Args:
        text: ``ADDRESS#sha256=<64 hex digits>``, with an address of https, http, file, hf
            or github.

    Raises:
        ConfigError: It has no valid digest, or zoo cannot download it.
    """
    address, _, fragment = text.partition("#")
    _check_address(address)
    message = f"cannot fetch pretrained weights from {shown_address(address)!r}: "
    if not fragment:
        message += "it has no digest."
        raise ConfigError(message, where=_OPTION, hint=_HINT)
    found = _DIGEST.fullmatch(fragment)
    if found is None:
        message += f"its digest is {fragment!r}, expected #sha256= and 64 hex digits."
        digits = re.search(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])", fragment)
        hint = f"did you mean #sha256={digits[0].lower()}?" if digits else _HINT
        raise ConfigError(message, where=_OPTION, hint=hint)
    return PretrainedURL(address, found[1].lower())


def _check_address(address: str) -> None:
    if is_hosted(address):
        _check_hosted(address)
        return
    hint = "download it and pass the file."
    try:
        parts = urlsplit(address)
    except ValueError as error:
        message = f"cannot fetch pretrained weights: their address is malformed ({error})."
        raise ConfigError(message, where=_OPTION, hint="correct the address.") from error
    message = f"cannot fetch pretrained weights from {shown_address(address)!r}: "
    if parts.scheme not in _SCHEMES:
        message += f"it starts with {parts.scheme}:, expected https, http, file, "
        message += "hf or github."
        raise ConfigError(message, where=_OPTION, hint=hint)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            message += f"expected {Path('/folder/file.pth').as_uri()}, with a full path."
            raise ConfigError(
                message, where=_OPTION, hint="pass the file path itself, or correct the address."
            )
    elif not parts.hostname:
        message += "it names no host."
        raise ConfigError(message, where=_OPTION, hint="correct the address.")


def _check_hosted(address: str) -> None:
    try:
        parse_hosted(address)
    except ValueError as error:
        message = f"cannot fetch pretrained weights from {shown_address(address)!r}: expected "
        message += f"{error}."
        raise ConfigError(message, where=_OPTION, hint="correct the address.") from error
