# SPDX-License-Identifier: Apache-2.0
"""A publisher of indexes, written without the code of zoo that writes and signs them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty_server import FaultyServer

METRIC = {"name": "mIoU", "value": 0.5, "dataset": "roads", "split": "val"}
METRIC |= {"labels": "true", "protocol": "README"}


@dataclass
class Publisher:
    """Publishes one source on a server on loopback.

    Attributes:
        server: The server.
        folder: Path of the source on it.
        files: Name of a row -> bytes of its file.
        changes: Keys of the envelope that differ.
        sequence: Number of the last index.
    """

    server: FaultyServer
    folder: str = "/zoo"
    files: dict[str, bytes] = field(default_factory=lambda: {"unet_road": b"weights" * 100})
    changes: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def address(self) -> str:
        """Return the address that users add."""
        return f"{self.server.address}{self.folder}/"

    @property
    def index_path(self) -> str:
        """Return the path of the index on the server."""
        return f"{self.folder}/index.json"

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the key, by its definition."""
        raw = self.key.public_key().public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"

    def row(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return a row whose file lies beside the index."""
        data = self.files.get(name, name.encode())
        return {
            "name": name,
            "task": "semantic",
            "config": "unet_small",
            "urls": [f"files/{name}.safetensors"],
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "format": "safetensors",
            "licence": "Apache-2.0",
            "data_licence": "CC0-1.0",
            "parameters": 4,
            "metrics": [METRIC],
            **changes,
        }

    def document(self, *rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the next index."""
        self.sequence += 1
        return {
            "index": 1,
            "name": "acme",
            "sequence": self.sequence,
            "created": "2024-01-01T00:00:00Z",
            "expires": "2124-01-01T00:00:00Z",
            "homepage": "https://acme.example/zoo",
            "licence": "CC0-1.0",
            "key": self.fingerprint,
            "shelf": {
                "format": 1,
                "weights": list(rows) or [self.row(name) for name in self.files],
            },
            **self.changes,
            **changes,
        }

    def put(self, data: bytes, *, signs: bool = True) -> bytes:
        """Serve the bytes of an index, with its signature or without."""
        self.server.files[self.index_path] = data
        self.server.files.pop(f"{self.index_path}.sig", None)
        if signs:
            self.server.files[f"{self.index_path}.sig"] = self.signature(data)
        for name, each in self.files.items():
            self.server.files[f"{self.folder}/files/{name}.safetensors"] = each
        return data

    def signature(self, data: bytes) -> bytes:
        """Return the file of a signature."""
        raw = self.key.public_key().public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)
        parts = {"key": raw, "signature": self.key.sign(data)}
        encoded = {name: base64.b64encode(value).decode() for name, value in parts.items()}
        return json.dumps({"format": 1, "algorithm": "ed25519", **encoded}).encode()

    def publish(self, *rows: dict[str, Any], signs: bool = True, **changes: Any) -> bytes:
        """Serve the next index."""
        if not signs:
            changes = {"key": None, **changes}
        document = self.document(*rows, **changes)
        return self.put(json.dumps(document).encode(), signs=signs)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own state, cache and lock."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def publisher(server: FaultyServer) -> Publisher:
    """Return a publisher who has published nothing yet."""
    return Publisher(server)


@pytest.fixture
def other_publisher(server: FaultyServer) -> Publisher:
    """Return another publisher, with another key, on the same server."""
    return Publisher(server, folder="/other")


@pytest.fixture
def added(publisher: Publisher) -> Publisher:
    """Return a publisher whose source was added."""
    from zoo.weights.sources.updating import add_source

    publisher.publish()
    add_source(publisher.address)
    return publisher


@pytest.fixture
def state(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Return a function that reads every file of the sources' state, but for the lock."""

    def read() -> dict[str, bytes]:
        folder = tmp_path / "state" / "zoo" / "sources"
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in files
            if path.name != ".guard"
        }

    return read
