# SPDX-License-Identifier: Apache-2.0
"""Packaging of mmzoo; the metadata lies in pyproject.toml."""

from setuptools import setup

setup()
