# SPDX-License-Identifier: Apache-2.0
"""A session of requests whose timeout is for a whole answer's head, not for each of its bytes.

Python's own bounds each `recv` alone, so a server that sends a byte now and then in its headers,
in ``100 Continue`` after ``100 Continue`` or between two chunks would be listened to for ever.
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
    """Return a session that asks for bytes as they are, checks certificates and follows nothing.

    The head of an answer, and each `read1` of its body, must be done within the timeout.

    Proxies and the bundle of certificates come from the environment, as for requests, and
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` too. Nothing turns the check off.
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
    # Else requests reads the body of a redirect to its end, though it is not to follow it.
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
    """Return the manager's pools by scheme, each with connections that give an `_Answer`."""
    pools: dict[str, type] = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        base = pool.ConnectionCls
        connection = type(base.__name__, (base,), {"response_class": _Answer})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    return pools


class _Answer(http.client.HTTPResponse):
    """An answer whose head is due within the socket's timeout, and each `read1` as well."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        buffered: Any = self.fp
        self._stream = _PunctualStream(buffered.detach(), sock)
        self.fp = io.BufferedReader(self._stream)

    def read1(self, n: int = -1) -> bytes:
        self._stream.restart()
        return super().read1(n)


class _PunctualStream(io.RawIOBase):
    """The bytes of a socket, due within its timeout from the last restart of the clock."""

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
