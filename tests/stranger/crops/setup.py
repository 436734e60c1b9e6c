# SPDX-License-Identifier: Apache-2.0
"""Packaging is in pyproject.toml; the version is in the manifest alone."""

import tomllib
from pathlib import Path

from setuptools import setup

MANIFEST = Path(__file__).with_name("zoo_crops") / "zoo_plugin.toml"

setup(version=tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["plugin"]["version"])
