# SPDX-License-Identifier: Apache-2.0
"""Where the hub is, where its files are, and the user's token for it.

The order in which a token is looked for is that of huggingface_hub 1.x (``utils/_auth.py``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from zoo.errors import DownloadError
from zoo.files import expand_home
from zoo.manifest.addresses import HubFile
from zoo.texts import shown

__all__ = [
    "hub_endpoint",
    "hub_file_at",
    "hub_token",
    "is_of_hub",
    "resolve_address",
]

_ENDPOINT = "https://huggingface.co"
_HUB = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?")
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_RESOLVE = re.compile(r"((?:datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def hub_endpoint() -> str:
    """Return the hub's address without a slash at the end: ``HF_ENDPOINT``, or the public hub.

    Raises:
        DownloadError: ``HF_ENDPOINT`` is not an address of http or https.
    """
    named = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    if not named:
        return _ENDPOINT
    try:
        fits = _HUB.fullmatch(named) is not None and urlsplit(named).port != 0
    except ValueError:  # a port that is too large
        fits = False
    if not fits:
        named = re.sub(r"//[^/]*@", "//", named)
        message = f"cannot use the hub {shown(named)}: expected https://HOST."
        raise DownloadError(message, where="HF_ENDPOINT", hint="correct it, or unset it.")
    return named


def hub_token() -> str | None:
    """Return the user's token for the hub, or None.

    It is ``HF_TOKEN``, else the file that huggingface_hub keeps it in: ``HF_TOKEN_PATH``, or
    ``token`` in ``HF_HOME``, by default in the user's cache folder.

    Raises:
        DownloadError: It has characters that no header can carry; the message does not show it.
    """
    where = "HF_TOKEN"
    token = os.environ.get(where, "").strip()
    if not token:
        path = _token_file()
        where, token = str(path), _first_line(path)
    if not token:
        return None
    if _TOKEN.fullmatch(token) is None:
        message = "cannot use the token for the hub: it holds spaces or characters beyond ASCII."
        raise DownloadError(message, where=where, hint="set HF_TOKEN to the token alone.")
    return token


def _token_file() -> Path:
    named = os.environ.get("HF_TOKEN_PATH")
    if named:
        return expand_home(os.path.expandvars(named))
    home = os.environ.get("HF_HOME")
    if not home:
        home = str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"))
    return expand_home(os.path.expandvars(home)) / "token"


def _first_line(path: Path) -> str:
    """Return the text of a token file, or an empty text if it cannot be read."""
    try:
        if not path.is_file():  # a pipe would block forever
            return ""
        with path.open(encoding="utf-8") as stream:
            return stream.read(8192).strip()
    except (OSError, ValueError):
        return ""


def resolve_address(file: HubFile) -> str:
    """Return the http address of a file on the hub.

    Args:
        file: A file of a repository.
    """
    path, revision = quote(file.path), quote(file.revision, safe="")
    return f"{hub_endpoint()}/{file.page}/resolve/{revision}/{path}"


def hub_file_at(url: str) -> HubFile | None:
    """Return the file that an http address of the hub names, or None for any other address.

    Args:
        url: An http or https address.
    """
    base = f"{hub_endpoint()}/"
    if not url.startswith(base):
        return None
    found = _RESOLVE.fullmatch(url[len(base) :].partition("?")[0])
    if found is None:
        return None
    kind = (found[1] or "models/").rstrip("/")
    return HubFile(kind, found[2], unquote(found[3]), unquote(found[4]))


def is_of_hub(url: str) -> bool:
    """Return whether an address has the scheme, host and port of the hub, so may see the token.

    Args:
        url: An http or https address.
    """
    return _origin(url) == _origin(hub_endpoint())


def _origin(url: str) -> tuple[str, str]:
    """Return scheme, and host with port, as texts.

    A login or a backslash in it makes it another one: parsers differ over which host that means.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    return scheme, host.removesuffix({"https": ":443", "http": ":80"}.get(scheme, ""))
