# SPDX-License-Identifier: Apache-2.0
"""Write a plugin's folder: all of its files, or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from zoo.data import staged_folder, write_file
from zoo.errors import PluginError

__all__ = ["write_plugin"]


def write_plugin(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a new folder and return their paths.

    The folder appears when it is complete, and not at all if anything fails.

    Args:
        folder: A path that does not exist, or an empty folder.
        texts: Path in the folder -> content.

    Raises:
        PluginError: There is something at the folder's path.
        DataError: The folder cannot be written.
    """
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        what = "a folder that holds files" if folder.is_dir() else "a file"
        message = (
            f"cannot write the plugin to {str(folder)!r}: found {what}, expected a new folder."
        )
        raise PluginError(message, where=folder, hint="give another --out, or remove it first.")
    with staged_folder(folder) as staging:
        for path, text in texts.items():
            write_file(staging / path, text.encode())
    return [folder / path for path in texts]
