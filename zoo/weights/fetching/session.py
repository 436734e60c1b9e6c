# SPDX-License-Identifier: Apache-2.0
"""A requests session whose timeout applies to the whole response header, not to each byte.

Python's timeout applies to each `recv`, so a server could keep a client waiting forever with
occasional bytes in its headers, repeated ``100 Continue``, or bytes between two chunks.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

__all__ = ["open_session"]


def open_session() -> requests.Session:
    """Return a session without decoding and redirects that checks certificates.

    The response header, and each `read1` of the body, must finish within the timeout.

    Proxies and the certificate bundle come from the environment, as in requests, and also from
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``. The check cannot be turned off.
    """
    import requests

    from zoo.version import __version__

    session = requests.Session()
    session.headers.update(
        {"Accept-Encoding": "identity", "User-Agent": f"zoo/{__version__}", "Accept": "*/*"}
    )
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    named = [os.environ[name] for name in bundles if os.environ.get(name)]
    session.verify = named[0] if named else True
    # Otherwise requests reads the whole body of a redirect even if it does not follow it.
    session.get_redirect_target = lambda _: None
    for scheme in ("https://", "http://"):
        session.mount(scheme, _punctual_adapter())
    return session


def _punctual_adapter() -> Any:
    from requests.adapters import HTTPAdapter

    class PunctualAdapter(HTTPAdapter):  # type: ignore[misc]  # requests is not typed here
        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, **settings)
            self.poolmanager.pool_classes_by_scheme = _punctual_pools(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
            is_known = proxy in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **settings)
            if not is_known:
                manager.pool_classes_by_scheme = _punctual_pools(manager)
            return manager

    return PunctualAdapter()


def _punctual_pools(manager: Any) -> dict[str, type]:
    """Return the manager's pools by scheme, with connections that return an `_Answer`."""
    pools: dict[str, type] = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        base = pool.ConnectionCls
        connection = type(base.__name__, (base,), {"response_class": _Answer})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    return pools


class _Answer(http.client.HTTPResponse):
    """A response whose header, and each `read1`, must finish within the socket's timeout."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        buffered: Any = self.fp
        self._stream = _PunctualStream(buffered.detach(), sock)
        self.fp = io.BufferedReader(self._stream)

    def read1(self, n: int = -1) -> bytes:
        self._stream.restart()
        return super().read1(n)


class _PunctualStream(io.RawIOBase):
    """The bytes of a socket, due within its timeout since the last restart of the clock."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._socket = raw, sock
        self._limit_s = sock.gettimeout()
        self.restart()

    def restart(self) -> None:
        self._until_s = None if self._limit_s is None else time.monotonic() + self._limit_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until_s is None:
            return self._raw.readinto(buffer)
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            message = "timed out"
            raise TimeoutError(message)
        self._socket.settimeout(left_s)
        try:
            return self._raw.readinto(buffer)
        finally:
            self._socket.settimeout(self._limit_s)

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()
