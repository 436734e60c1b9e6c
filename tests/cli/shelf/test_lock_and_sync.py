# SPDX-License-Identifier: Apache-2.0
"""``zoo lock`` and ``zoo sync`` from outside: two machines that share a project, and CI."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from weights_rows import weights_row

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ZOO = Path(sys.executable).with_name("zoo")
Run = Callable[..., subprocess.CompletedProcess[str]]
URL = "https://example.invalid/{}.safetensors"
CONFIG = "model = dict(type='FCN')\n"


@pytest.fixture
def zoo(tmp_path: Path) -> Run:
    """Return a function that runs ``zoo`` in the project, on the machine that is named."""
    project = tmp_path / "project"
    project.mkdir()

    def run(machine: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {
            "HOME": str(tmp_path / machine),
            "ZOO_CACHE": str(tmp_path / machine / "cache"),
            "ZOO_PLUGIN_PATH": str(tmp_path / "plugins"),
            "ZOO_PLUGINS": "atoll",
            "ZOO_LOCK": "zoo.lock",
            "ZOO_OFFLINE": "1",
            "ZOO_MIRRORS": str(tmp_path / "mirror"),
        }
        return subprocess.run(
            [ZOO, *words],
            capture_output=True,
            text=True,
            env=kept | own | more,
            cwd=project,
            timeout=120,
        )

    return run


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Write a third party's plugin with two weights, whose files are on a mirror."""
    import numpy as np
    from safetensors.numpy import save

    package = tmp_path / "plugins" / "zoo_atoll"
    package.mkdir(parents=True)
    rows = '[[config]]\nname = "atoll_net"\nfile = "atoll_net.py"\n'
    for seed, name in enumerate(("atoll_one", "atoll_two")):
        data = save({"weight": np.full(3, seed, np.float32)})
        place = tmp_path / "mirror" / hashlib.sha256(data).hexdigest() / f"{name}.safetensors"
        place.parent.mkdir(parents=True)
        place.write_bytes(data)
        own = {"task": "backbone", "config": "atoll_net", "urls": [URL.format(name)]}
        rows += weights_row(name, data, **own)
    header = '[plugin]\nname = "atoll"\nversion = "0.1.0"\napi = 1\nsummary = "s"\n'
    (package / "zoo_plugin.toml").write_text(f'{header}license = "MIT"\n{rows}')
    (package / "__init__.py").write_text("import zoo\n")
    (package / "atoll_net.py").write_text(CONFIG)
    return package


def test_team_shares_a_lock(zoo: Run, plugin: Path, tmp_path: Path) -> None:
    """One locks, another syncs, CI is frozen, and a change of the plugin is told to both."""
    lock = tmp_path / "project" / "zoo.lock"

    locked = zoo("ann", "lock", "atoll_one", "--json")
    assert locked.returncode == 0, locked.stderr
    rows = json.loads(locked.stdout)["rows"]
    assert {(row["kind"], row["name"], row["change"]) for row in rows} == {
        ("weights", "atoll_one", "added"),
        ("config", "atoll.atoll_net", "added"),
        ("plugin", "atoll", "added"),
    }
    shared = lock.read_bytes()

    synced = zoo("bob", "sync", "--frozen")
    assert synced.returncode == 0, synced.stderr
    assert "fetched" in synced.stdout
    assert len(list((tmp_path / "bob" / "cache").rglob("atoll_one.safetensors"))) == 1

    refused = zoo("ci", "download", "atoll_two", ZOO_FROZEN="1")
    allowed = zoo("ci", "download", "atoll_one", ZOO_FROZEN="1")
    assert (refused.returncode, allowed.returncode) == (1, 0), allowed.stderr
    assert "error: cannot use the weights 'atoll_two': ZOO_FROZEN is set" in refused.stderr
    assert "HINT: zoo lock atoll_two" in refused.stderr
    assert lock.read_bytes() == shared

    (plugin / "atoll_net.py").write_text("model = dict(type='Other')\n")
    differs = zoo("bob", "sync", "--frozen")
    assert differs.returncode == 1
    assert "config atoll.atoll_net: its content" in differs.stderr
    assert (
        "  fix: undo the change, or accept it for everyone: zoo lock atoll.atoll_net"
        in differs.stderr
    )
    assert "error: 2 of 3 rows differ from zoo.lock." in differs.stderr
    assert "Traceback" not in differs.stderr
    assert zoo("bob", "lock").returncode == 0
    assert zoo("ann", "sync", "--frozen").returncode == 0


def test_lock_and_sync_that_fail_say_why(zoo: Run, plugin: Path, tmp_path: Path) -> None:
    """A lock that is none, and one that cannot be written; nothing else is touched."""
    assert plugin.is_dir()
    lock = tmp_path / "project" / "zoo.lock"

    absent = zoo("ann", "sync")
    assert absent.returncode == 1
    assert "error: cannot sync: there is no zoo.lock." in absent.stderr
    assert "HINT: zoo lock writes one" in absent.stderr

    below_a_file = zoo("ann", "lock", "atoll_one", ZOO_LOCK="/dev/null/zoo.lock")
    assert below_a_file.returncode == 1
    assert "error: cannot " in below_a_file.stderr
    assert "HINT: " in below_a_file.stderr

    lock.write_text('{\n<<<<<<< HEAD\n "format": 2\n=======\n>>>>>>> x\n}\n')
    marked = zoo("ann", "sync")
    assert marked.returncode == 1
    assert "marks of a merge" in marked.stderr
    assert f"{lock.name}:2" in marked.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_read_only_is_told(zoo: Run, plugin: Path, tmp_path: Path) -> None:
    assert plugin.is_dir()
    project = tmp_path / "project"
    project.chmod(0o500)
    try:
        done = zoo("ann", "lock", "atoll_one")
    finally:
        project.chmod(0o700)

    assert done.returncode == 1
    assert "error: cannot write zoo.lock: Permission denied" in done.stderr
