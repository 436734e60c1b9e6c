# SPDX-License-Identifier: Apache-2.0
"""Fences around every test: no network but loopback, no plugins but those that a test means.

* Tests of the core (``tests/``) find only plugins below their own ``tmp_path``; one that asks for
  the fixture ``checkout_plugins`` finds those of this checkout instead.
* Tests of plugins and of configs find what the checkout holds.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent

os.environ["MPLBACKEND"] = "Agg"
for _plugin in sorted((ROOT / "plugins").glob("*/zoo_*/zoo_plugin.toml")):
    sys.path.append(str(_plugin.parent.parent))

_LOOPBACK = ("127.0.0.1", "::1", "localhost", "")
_real_connect = socket.socket.connect
_real_getaddrinfo = socket.getaddrinfo


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""

    def connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOOPBACK:
            message = f"a test reached for the network: {address!r}"
            raise RuntimeError(message)
        _real_connect(self, address)  # type: ignore[arg-type]

    def getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
        if host is not None and host not in _LOOPBACK:
            message = f"a test reached for the network: {host!r}"
            raise RuntimeError(message)
        return _real_getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True)
def _fenced_discovery(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Search ``tmp_path`` alone, or the checkout alone; never what happens to be installed."""
    from zoo import catalog, discovery

    is_core = request.path.is_relative_to(ROOT / "tests")
    is_fenced = is_core and "checkout_plugins" not in request.fixturenames
    monkeypatch.setattr(discovery, "_entry_point_values", list)
    monkeypatch.setattr(discovery, "find_checkouts", lambda: () if is_fenced else (ROOT,))
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    if is_fenced:
        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    else:
        monkeypatch.delenv("ZOO_PLUGIN_PATH", raising=False)
    monkeypatch.setattr(catalog, "_CACHE", {})


@pytest.fixture
def checkout_plugins() -> Path:
    """Let a test of the core find the plugins and configs of this checkout; gives its folder."""
    return ROOT


@pytest.fixture
def write_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that writes a plugin's package where the fenced discovery finds it.

    What was imported from it is forgotten after the test, so that another test can write another
    package of the same name.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, rows: str = "", *, folder: str = "", **modules: str) -> Path:
        package = tmp_path / (folder or name) / f"zoo_{name}"
        package.mkdir(parents=True)
        header = f'[plugin]\nname = "{name}"\nversion = "0.1.0"\napi = 1\nsummary = "fake"\n'
        header += 'license = "MIT"\n'
        (package / "zoo_plugin.toml").write_text(f"{header}\n{rows}", encoding="utf-8")
        for module, code in {"__init__": "import zoo\n", **modules}.items():
            (package / f"{module}.py").write_text(code, encoding="utf-8")
        return package

    yield write
    for module in set(sys.modules) - before:
        file = getattr(sys.modules[module], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[module]
