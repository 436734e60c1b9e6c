# SPDX-License-Identifier: Apache-2.0
"""The addresses that a source's rows may name: public ones, or files beside the index."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_url
from zoo.texts import shown
from zoo.weights.fetching.addresses import is_local, shown_address

__all__ = ["AddressRule", "is_private_host", "is_private_place"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_INSIDE = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".home",
)
_EMBEDDED = ipaddress.ip_network("64:ff9b::/96")  # NAT64: the last 32 bits are an IPv4 address


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Which addresses the rows of one index may name.

    Attributes:
        base: Address of the index's folder, which ends with ``/``: https, http, file, or hf at a
            commit. Relative addresses start there.
        allows_private: Whether other hosts of a private network may be named, and http there.
    """

    base: str
    allows_private: bool

    def read(self, table: Table, url: str) -> str:
        """Return the whole address of an entry of ``urls``; raises ManifestError.

        Args:
            table: The row's table.
            url: The address, as the row states it.
        """
        if _SCHEME.match(url) is None:
            return self._beside(table, url)
        name = f"{table.label} urls holds {shown(shown_address(url))}"
        if url.partition(":")[0].lower() in ("file", "package"):
            expected = "expected https://..., hf://..., github://... or a path beside the index."
            table.fail(f"{name}, {expected}", hint=_HINT)
        if url.partition(":")[0].lower() not in ("https", "http"):
            return read_url(table, url)
        parts = _split(url)
        if parts is None:
            table.fail(f"{name}, expected the address of a file.", hint=_HINT)
        host, has_login = parts
        if has_login:
            table.fail(f"{name}, which holds a login, expected a public address.", hint=_HINT)
        if is_private_host(host):
            if self.allows_private:
                return url
            hint = "zoo source add --allow-private takes such an index, if you trust its network."
            table.fail(
                f"{name}, an address of a private network, expected a public one.", hint=hint
            )
        return read_url(table, url)

    def _beside(self, table: Table, url: str) -> str:
        path = unquote(url)
        is_inside = not any(part in ("", ".", "..") for part in path.split("/"))
        if not is_inside or re.search(r"[\\?#:\x00-\x1f\x7f]", path) is not None:
            expected = "expected an address, or a path beside the index, with '/'."
            table.fail(f"{table.label} urls holds {shown(url)}, {expected}", hint=_HINT)
        return self.base + path if self.base.startswith("hf:") else urljoin(self.base, quote(path))


_HINT = "tell the publisher of the index."


def _split(url: str) -> tuple[str, bool] | None:
    """Return the host of an address and whether it holds a login, or None if it is malformed."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if not parts.hostname or re.search(r"[\s\\]", url) is not None:
        return None
    return parts.hostname, "@" in parts.netloc


def is_private_place(address: str) -> bool:
    """Return whether an address is on this machine or on a private network; False for a file.

    Args:
        address: https, http, hf, github or file.
    """
    if is_local(address) or not address.lower().startswith(("https:", "http:")):
        return False
    parts = _split(address)
    return parts is not None and is_private_host(parts[0])


def is_private_host(host: str) -> bool:
    """Return whether a host is this machine or of a private network, by its name alone.

    Names are not resolved: an index is checked offline. Every spelling of an IPv4 address that
    the system accepts is recognized, such as ``127.1`` and ``0x7f000001``.

    Args:
        host: Name or IP address, without a port; IPv6 without brackets.
    """
    name = host.rstrip(".").lower().partition("%")[0]
    address = _ip_address(name)
    if address is not None:
        return not _is_public(address)
    # Digits and dots of other scripts become ASCII before they are resolved.
    return not name.isascii() or "." not in name or name.endswith(_INSIDE)


def _ip_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _EMBEDDED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and int(address) >> 32 == 0 and int(address) > 1:  # ::127.0.0.1
            inner = ipaddress.IPv4Address(int(address))
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved)
