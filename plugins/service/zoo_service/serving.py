# SPDX-License-Identifier: Apache-2.0
"""A service from its first moment to its last: port, models, requests, signals, end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn

from zoo.errors import ConfigError
from zoo_service.app import MOST_HEADER_BYTES, Service
from zoo_service.jobs import JobQueue
from zoo_service.metrics import Metrics
from zoo_service.pool import Pool
from zoo_service.protocol import BoundedProtocol
from zoo_service.settings import Settings

__all__ = ["serve"]

_GRACE_S = 5
_KEEP_ALIVE_S = 15
_BACKLOG = 256
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings, say: Callable[[str], None]) -> bool:
    """Serve until a signal; return whether all requests were finished.

    Args:
        settings: Models and limits.
        say: Called with a line for whoever has started it, once models are open.

    Raises:
        ConfigError: The port cannot be used.
        ZooError: A model cannot be opened.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    listener = _listen(settings.host, settings.port)
    with listener, tempfile.TemporaryDirectory(prefix="zoo-serve-") as folder:
        return asyncio.run(_serve(settings, listener, Path(folder), say))


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals are handled here: they end it with exit 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _serve(
    settings: Settings, listener: socket.socket, folder: Path, say: Callable[[str], None]
) -> bool:
    queue = JobQueue(settings.queue + settings.workers, settings.workers)
    metrics = Metrics(queue)
    pool = Pool(settings, queue, metrics)
    service = Service(settings, pool, queue, metrics, folder)
    server = _Server(_config(settings, service))
    starting = asyncio.ensure_future(pool.start())

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = service.is_stopping = True
        starting.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await asyncio.wait({starting, serving}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not starting.cancelled() and starting.exception() is None:
            say(_address(listener, settings))
        elif starting.done():
            server.should_exit = service.is_stopping = True
        await serving
        if starting.done() and not starting.cancelled():
            starting.result()
        return not server.force_exit
    finally:
        starting.cancel()
        await pool.stop()


def _config(settings: Settings, service: Service) -> uvicorn.Config:
    header_s = min(BoundedProtocol.header_s, settings.timeout_s)
    times = {"header_s": header_s, "answer_s": settings.timeout_s}
    protocol = type("Protocol", (BoundedProtocol,), times)
    return uvicorn.Config(
        service.app,
        http=protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.timeout_s) + _GRACE_S,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before anything slow happens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from error
    return listener


def _unusable(host: str, port: int, error: OSError) -> ConfigError:
    reason, where = error.strerror or str(error), "--port"
    hint = "use another one, for example --port 0, which takes any that is free."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        where, hint = "--host", "use --host 127.0.0.1, or 0.0.0.0 for all networks."
    elif error.errno == errno.EADDRINUSE:
        reason = "the port is in use"
        hint = f"use another one, such as --port {port + 1 if port < 65535 else 0}, or end the "
        hint += f"program that has it: ss -ltnp 'sport = :{port}' names it."
    elif error.errno == errno.EACCES:
        hint = "use a port above 1023, such as --port 8000."
    message = f"cannot serve at {host}:{port}: {reason[0].lower()}{reason[1:].rstrip('.')}."
    return ConfigError(message, where=where, hint=hint)


def _address(listener: socket.socket, settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
