# SPDX-License-Identifier: Apache-2.0
"""``package::path``: configs that an installed OpenMMLab package carries."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from zoo.errors import UnknownNameError
from zoo.names import hint_near, near_names

__all__ = ["find_in_package"]


def find_in_package(text: str) -> Path:
    """Return the file of ``package::path`` in the ``.mim/configs`` folder of a package.

    Args:
        text: Such as ``mmseg::unet/x.py``, with or without ``.py``.

    Raises:
        UnknownNameError: The package is not installed, or has no such config.
    """
    package, _, inside = text.partition("::")
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:  # as of `__main__`
        spec = None
    if spec is None or not spec.submodule_search_locations:
        message = f"no package {package!r} is installed, so there is no config {text!r}."
        hint = "install that package, or give the path of a config."
        raise UnknownNameError(message, kind="config", name=text, hint=hint)
    folders = [Path(place) / ".mim" / "configs" for place in spec.submodule_search_locations]
    for folder in folders:
        for candidate in (folder / inside, folder / f"{inside}.py"):
            if os.path.isfile(candidate):
                return candidate
    known = [file.relative_to(folder).as_posix() for folder in folders for file in _tree(folder)]
    near = [f"{package}::{name}" for name in near_names(inside, known)]
    message = f"no config {inside!r} in the package {package!r}."
    hint = hint_near(near, f"look into {folders[0]}." if folders else "give a path.")
    raise UnknownNameError(message, kind="config", name=text, near=near, hint=hint)


def _tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))
