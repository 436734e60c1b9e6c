# SPDX-License-Identifier: Apache-2.0
"""A small plugin's project on disk, whole and in many broken forms."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_project"]

FILES = {
    "pyproject.toml": """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "mmzoo-ponds"
dynamic = ["version"]
description = "Ponds"
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = ["mmzoo"]

[project.entry-points."zoo.plugins"]
ponds = "zoo_ponds"

[tool.setuptools]
packages = ["zoo_ponds"]

[tool.setuptools.package-data]
zoo_ponds = ["zoo_plugin.toml", "configs/*.py"]  # what a wheel needs
""",
    "setup.py": """import tomllib
from pathlib import Path

from setuptools import setup

MANIFEST = Path(__file__).with_name("zoo_ponds") / "zoo_plugin.toml"

setup(version=tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["plugin"]["version"])
""",
    "README.md": "# mmzoo-ponds\n",
    "LICENSE": "MIT License\n",
    "zoo_ponds/__init__.py": '"""Ponds."""\n\nimport zoo as zoo\n',
    "zoo_ponds/loss.py": "class PondLoss:\n    def __init__(self) -> None: ...\n",
    "zoo_ponds/configs/pond-64.py": "model = dict(type='mmseg.EncoderDecoder')\n",
    "zoo_ponds/zoo_plugin.toml": """# The manifest: read without importing.
[plugin]
name = "ponds"
version = "1.2.3"  # raise it here
api = 1
summary = "Ponds"
license = "MIT"

[requires]
distributions = [
    "numpy>=2",
    "no-such-distribution>=7",
    "torch>=9999",
    "colorama; sys_platform == 'win32'",
]

[[loss]]
name = "PondLoss"
target = "zoo_ponds.loss:PondLoss"
summary = "a loss"

[[config]]
name = "pond-64"
file = "configs/pond-64.py"
summary = "small"
""",
}


def write_project(folder: Path, **changes: str | None) -> Path:
    """Write the project and return its folder.

    Args:
        folder: An empty folder to be.
        changes: Path -> its other content; None leaves the file out.
    """
    for path, text in {**FILES, **changes}.items():
        if text is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder
