# SPDX-License-Identifier: Apache-2.0
"""Weights of a source in a team's lock: pinned by name and digest, kept when the index moves on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from faulty_server import FaultyServer

from zoo.cli import main
from zoo.weights.lock import read_pins
from zoo.weights.sources.updating import add_source, update_source

FILES = {1: b"first" * 100, 2: b"second" * 100}


@pytest.fixture
def list_versions(
    tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Return a function that lists versions of one file in the source ``acme``."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    metric = {"name": "mIoU", "value": 0.5, "dataset": "d", "split": "val"}
    metric |= {"labels": "true", "protocol": "README"}

    def write(*versions: int, **yanked: str) -> None:
        rows = [
            {
                "name": "road",
                "task": "semantic",
                "config": "of_nobody",
                "urls": [f"road_{version}.safetensors"],
                "sha256": hashlib.sha256(FILES[version]).hexdigest(),
                "size_bytes": len(FILES[version]),
                "format": "safetensors",
                "licence": "Apache-2.0",
                "data_licence": "CC0-1.0",
                "parameters": 4,
                "metrics": [metric],
                "version": version,
                **({"yanked": yanked[f"v{version}"]} if f"v{version}" in yanked else {}),
            }
            for version in versions
        ]
        document: dict[str, Any] = {"index": 1, "name": "acme", "licence": "CC0-1.0"}
        document |= {"created": "2024-01-01T00:00:00Z", "expires": "2124-01-01T00:00:00Z"}
        document |= {"sequence": len(server.asked) + 1, "shelf": {"format": 1, "weights": rows}}
        server.files["/index.json"] = json.dumps(document).encode()
        server.files |= {f"/road_{number}.safetensors": data for number, data in FILES.items()}
        if (tmp_path / "state").exists():
            update_source("acme")
        else:
            add_source(server.address, tolerates=True)

    return write


def _zoo(*words: str) -> Any:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


def test_locked_version_stays_while_the_index_moves_on(list_versions: Callable[..., None]) -> None:
    """Also when it is withdrawn; `zoo lock` and `zoo sync` find it by its scope."""
    list_versions(1)
    _zoo("lock", "acme/road")
    pin = read_pins()["acme/road"]

    list_versions(1, 2, v1="wrong labels")
    path = Path(_zoo("download", "acme/road").stdout.strip())
    _zoo("lock")
    _zoo("sync")

    assert pin.plugin == "acme"
    assert path.read_bytes() == FILES[1]
    assert read_pins() == {"acme/road": pin}


def test_version_that_is_asked_for_is_locked_beside_the_newest(
    list_versions: Callable[..., None],
) -> None:
    """Two names, two pins."""
    list_versions(1, 2)

    _zoo("lock", "acme/road", "acme/road@1")

    digests = {name: pin.sha256 for name, pin in read_pins().items()}
    assert digests == {
        "acme/road": hashlib.sha256(FILES[2]).hexdigest(),
        "acme/road@1": hashlib.sha256(FILES[1]).hexdigest(),
    }


def test_row_of_a_source_that_was_removed_is_not_here(list_versions: Callable[..., None]) -> None:
    """The lock keeps it, for those who have the source."""
    list_versions(1)
    _zoo("lock", "acme/road")
    before = read_pins()
    _zoo("source", "remove", "acme")

    told = json.loads(_zoo("lock", "--json").stdout)["rows"]

    assert [(row["name"], row["change"]) for row in told] == [("acme/road", "not here")]
    assert read_pins() == before
