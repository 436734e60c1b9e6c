# SPDX-License-Identifier: Apache-2.0
"""Packaging of mmzoo: metadata lies in pyproject.toml, the two packages are named below."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["zoo", "zoo.*"]), "zoo_configs"],
    package_dir={"zoo_configs": "configs"},
    package_data={
        "zoo": ["py.typed", "engine/records/record_types.json"],
        "zoo_configs": ["zoo_plugin.toml", "_base_/*.py", "mask_rcnn/*.py", "unet/*.py"],
    },
)
