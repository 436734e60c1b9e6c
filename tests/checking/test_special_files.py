# SPDX-License-Identifier: Apache-2.0
"""A pipe, a socket or a device where a plugin's file belongs is told, and nothing waits for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.checking.distributions.building import build_project
from zoo.errors import PluginError

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")

HEADER = '[plugin]\nname = "pond"\nversion = "0.1.0"\napi = 1\nsummary = "ponds"\nlicense = "MIT"\n'
HEADER += '[[config]]\nname = "pond"\nfile = "configs/pond.py"\n'
PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "mmzoo-pond"
version = "0.1.0"
license = "MIT"
dependencies = ["mmzoo"]

[project.entry-points."zoo.plugins"]
pond = "zoo_pond"
"""


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:  # its own path may be too long for a socket
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


KINDS: dict[str, Callable[[Path], None]] = {
    "a named pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a plugin in which `zoo plugin check` finds little."""
    folder = tmp_path / "pond"
    (folder / "zoo_pond" / "configs").mkdir(parents=True)
    (folder / "zoo_pond" / "__init__.py").write_text('"""Ponds."""\nimport zoo\n')
    (folder / "zoo_pond" / "zoo_plugin.toml").write_text(HEADER)
    (folder / "zoo_pond" / "configs" / "pond.py").write_text("x = 1\n")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "LICENSE").write_text("MIT\n")
    return folder


def _zoo(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that must end within a minute."""
    return subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RULES = {
    "pyproject.toml": "ZP201",
    "zoo_pond/zoo_plugin.toml": "ZP101",
    "zoo_pond/configs/pond.py": "ZP106",
    "zoo_pond/__init__.py": "ZP110",
    "zoo_pond/data.py": "ZP110",
}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (file, kind)
        for file in RULES
        for kind in KINDS
        # Python may take a folder for a package, and other rules tell what it lacks.
        if not (kind == "a folder" and RULES[file] == "ZP110")
    ],
)
def test_check_tells_once_what_is_there_in_place_of_a_file(
    project: Path, file: str, kind: str
) -> None:
    """By the whole command, import rules included."""
    path = project / file
    path.unlink(missing_ok=True)
    KINDS[kind](path)

    done = _zoo("plugin", "check", project, "--json")

    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)["findings"]
    told = [each for each in findings if kind in each["message"] and "regular file" in str(each)]
    rules = [each["rule"] for each in told]
    assert RULES[file] in rules
    # A config is a file of Python too.
    assert len(rules) == 1 or "configs" in file


@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
@pytest.mark.parametrize("file", ["LICENSE", "setup.py", "zoo_pond/data.bin", "README.md"])
def test_a_build_of_a_project_with_a_pipe_is_refused(
    project: Path, tmp_path: Path, file: str, kind: str
) -> None:
    """setuptools would wait for whoever writes into it."""
    pytest.importorskip("build.__main__")
    (project / file).unlink(missing_ok=True)
    KINDS[kind](project / file)
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(PluginError, match=f"{file} is {kind}, expected a regular file"):
        build_project(project, out, is_isolated=False)


@pytest.mark.parametrize("file", ["pyproject.toml", "zoo_pond/zoo_plugin.toml"])
def test_other_commands_end_too(project: Path, file: str) -> None:
    """What reads a plugin's files says what it is, or needs them not."""
    (project / file).unlink()
    os.mkfifo(project / file)

    build = _zoo("plugin", "build", project)
    listing = subprocess.run(
        [sys.executable, "-m", "zoo", "plugin", "list"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ZOO_PLUGIN_PATH": str(project.parent), "ZOO_PLUGINS": "pond"},
        check=False,
    )

    assert build.returncode == 1
    assert "a named pipe, expected a regular file" in build.stderr
    assert ("a named pipe" in listing.stdout + listing.stderr) == ("zoo" in file)
