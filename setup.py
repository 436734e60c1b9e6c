# SPDX-License-Identifier: Apache-2.0
"""Packaging of mmzoo: metadata lies in pyproject.toml, the two packages are named below."""

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel


class StaticEditable(editable_wheel):
    """An editable install that puts the checkout on ``sys.path``, where type checkers look too.

    With ``zoo_configs``, which lies in a folder of another name, setuptools writes an import hook
    that no type checker follows. A checkout's configs are found without being installed.
    """

    def finalize_options(self) -> None:
        """Leave out the configs, so that one folder on the path is all there is to write."""
        packages = self.distribution.packages
        self.distribution.packages = [name for name in packages if name != "zoo_configs"]
        self.distribution.package_dir = {"": "."}
        super().finalize_options()


setup(
    packages=[*find_packages(include=["zoo", "zoo.*"]), "zoo_configs"],
    package_dir={"zoo_configs": "configs"},
    package_data={
        "zoo": [
            "checking/source/upstream_types.json",
            "cli/plugged/shipped_commands.json",
            "py.typed",
            "engine/imports/type_modules.json",
            "engine/records/record_types.json",
            "manifest/zoo_plugin.schema.json",
            "weights/sources/index.schema.json",
        ],
        "zoo_configs": ["zoo_plugin.toml", "_base_/*.py", "mask_rcnn/*.py", "unet/*.py"],
    },
    cmdclass={"editable_wheel": StaticEditable},
)
