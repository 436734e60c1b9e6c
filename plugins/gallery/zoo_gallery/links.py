# SPDX-License-Identifier: Apache-2.0
"""Addresses of manifests as links: of the web alone, and without passwords."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

__all__ = ["shown_address", "web_link"]

_MOST_CHARACTERS = 2_000
_HUB = re.compile(r"hf://(?P<repo>[^@\s]+)@(?P<revision>[0-9a-f]{40})/(?P<path>[^\s?#]+)")
_RELEASE = re.compile(r"github://(?P<repo>[^/@\s]+/[^/@\s]+)@(?P<tag>[^/\s?#]+)/(?P<path>[^\s?#]+)")


def web_link(address: str | None) -> str | None:
    """Return the address that a page may link, or None if it is none of the web.

    ``hf://`` becomes the page of the file on the hub, ``github://`` the asset of the release.

    Args:
        address: Any text.

    Example:
        >>> web_link("https://me:secret@example.org/a b?q=1#x"), web_link("javascript:alert(1)")
        ('https://example.org/a%20b?q=1#x', None)
        >>> web_link("github://owner/repo@v1.0/unet.pth")
        'https://github.com/owner/repo/releases/download/v1.0/unet.pth'
    """
    if address is None or len(address) > _MOST_CHARACTERS:
        return None
    hosted = _page_on_host(address)
    if hosted is not None:
        return hosted
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or not _is_host(host):
        return None
    place = host if port is None else f"{host}:{port}"
    return urlunsplit(
        (
            parts.scheme.lower(),
            place,
            quote(parts.path, safe="/%:@!$&'()*+,;=~-._"),
            quote(parts.query, safe="/%:@!$&'()*+,;=~-._?"),
            quote(parts.fragment, safe="/%:@!$&'()*+,;=~-._?"),
        )
    )


def _page_on_host(address: str) -> str | None:
    found = _HUB.fullmatch(address)
    if found is not None:
        repo = quote(found["repo"].removeprefix("models/"), safe="/")
        return f"https://huggingface.co/{repo}/blob/{found['revision']}/{quote(found['path'])}"
    found = _RELEASE.fullmatch(address)
    if found is not None:
        repo, tag = quote(found["repo"], safe="/"), quote(found["tag"], safe="%")
        return f"https://github.com/{repo}/releases/download/{tag}/{quote(found['path'])}"
    return None


def _is_host(host: str) -> bool:
    return re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", host) is not None and ":" not in host


def shown_address(address: str) -> str:
    """Return an address as a page shows it, without a password; a file of this machine not at all.

    Args:
        address: An address of a row or a source.

    Example:
        >>> shown_address("https://me:secret@example.org/x"), shown_address("file:///home/me/x")
        ('https://example.org/x', 'a file of the machine that made this page')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an address that cannot be read"
    if parts.scheme.lower() == "file":
        return "a file of the machine that made this page"
    place = parts.netloc
    if parts.scheme in ("http", "https"):
        place = place.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, parts.query, parts.fragment))
