# SPDX-License-Identifier: Apache-2.0
"""``tools/check_living.py`` against a real hub on loopback: each verdict, nothing downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import LoopbackHub

TOOL = Path(__file__).resolve().parents[2] / "tools" / "check_living.py"
DATA = b"weights" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def _row(name: str, address: str, **changes: Any) -> dict[str, Any]:
    row = {"name": name, "task": "backbone", "urls": [address], "format": "pth"}
    return {**row, "licence": "MIT", "data_licence": "unknown", **changes}


@pytest.mark.slow
def test_check_living_gives_a_verdict_for_each_address(
    write_plugin: Callable[..., Path], tmp_path: Path
) -> None:
    """Digest and size as stated, another digest, another size, nothing to compare, no file."""
    package = write_plugin("shelves")
    with LoopbackHub() as hub:
        commit = hub.add("acme/net", {"net.pth": DATA})
        address = f"hf://acme/net@{commit}/net.pth"
        rows = [
            _row("same", address, sha256=DIGEST, size_bytes=len(DATA)),
            _row("prefix", address, sha256_prefix=DIGEST[:8]),
            _row("friend", address, sha256_prefix="00000000"),
            _row("longer", address, sha256=DIGEST, size_bytes=1),
            _row("pinned", address),
            _row("gone", f"hf://acme/net@{commit}/other.pth"),
        ]
        (package / "shelf.json").write_text(json.dumps({"format": 1, "weights": rows}))
        manifest = package / "zoo_plugin.toml"
        manifest.write_text(f'{manifest.read_text()}\n[[shelf]]\nfile = "shelf.json"\n')
        out = tmp_path / "checked.json"

        done = subprocess.run(
            [sys.executable, str(TOOL), "--plugin", "shelves", "--json", str(out)],
            capture_output=True,
            text=True,
            env={**os.environ, "HF_ENDPOINT": hub.endpoint},
        )
        methods = {asked.method for asked in hub.cdn.asked}

    assert done.returncode == 1, done.stderr
    verdicts = {each["name"]: each["verdict"] for each in json.loads(out.read_text())}
    assert verdicts == {
        "shelves.same": "as stated",
        "shelves.prefix": "as stated",
        "shelves.friend": "differs",
        "shelves.longer": "differs",
        "shelves.pinned": "there",
        "shelves.gone": "failed",
    }
    assert "6 addresses, 3 that failed or differ" in done.stdout
    assert "GET" not in methods
