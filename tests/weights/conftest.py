# SPDX-License-Identifier: Apache-2.0
"""A short patience, and one call for the file that the tests fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer

from zoo.weights.fetching.all_tries import fetch_file
from zoo.weights.fetching.setbacks import Patience

NAME = "unet.safetensors"


@pytest.fixture(autouse=True)
def _bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy, bundle of certificates or mirror of this machine into the tests."""
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE", "ZOO_LOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def brisk() -> Patience:
    """Return a patience that a test can wait for."""
    return Patience(
        tries=3,
        first_wait_s=0.01,
        longest_wait_s=2.0,
        connect_s=5.0,
        stall_s=5.0,
        least_bytes_s=1000.0,
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where the file is to go."""
    return tmp_path / "here" / NAME


@pytest.fixture
def address(server: FaultyServer, payload: bytes) -> str:
    """Return where the payload is served."""
    server.files[f"/{NAME}"] = payload
    return f"{server.address}/{NAME}"


@pytest.fixture
def fetch(target: Path, payload: bytes, brisk: Patience) -> Callable[..., Path]:
    """Return a function that fetches the payload to ``target`` from addresses."""

    def run(*addresses: str, patience: Patience | None = None, **settings: Any) -> Path:
        digest = hashlib.sha256(payload).hexdigest()
        named: Sequence[str] = addresses
        return fetch_file(
            target, digest, len(payload), named, patience=patience or brisk, **settings
        )

    return run
