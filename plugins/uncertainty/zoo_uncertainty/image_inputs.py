# SPDX-License-Identifier: Apache-2.0
"""The images that a command is given, and the names of the files that it writes for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.data import IMAGE_SUFFIXES
from zoo.errors import DataError

__all__ = ["find_images", "names_of"]


def find_images(inputs: Sequence[Path], reads: Callable[[Path], bool]) -> list[Path]:
    """Return files as they are given, and the images of folders below them, sorted.

    Hidden files of a folder are left out.

    Args:
        inputs: Files and folders.
        reads: Returns whether a file without the suffix of a picture is an image too.

    Raises:
        DataError: One is missing, or a folder has no image.
    """
    found: dict[Path, None] = {}
    for each in inputs:
        if each.is_dir():
            inside = [path for path in sorted(each.rglob("*")) if _is_image(path, reads)]
            if not inside:
                message = f"cannot find images in {str(each)!r}: it has none."
                raise DataError(message, path=each, hint="give a folder of images.")
            found |= dict.fromkeys(inside)
        elif each.exists():
            found[each] = None
        else:
            message = f"cannot read {str(each)!r}: there is no such file or folder."
            raise DataError(message, path=each, hint="give images, or folders of images.")
    return list(found)


def _is_image(path: Path, reads: Callable[[Path], bool]) -> bool:
    # macOS leaves "._x.png" beside x.png on other file systems; a pipe may block forever.
    if path.name.startswith(".") or not path.is_file():
        return False
    return path.suffix.lower() in IMAGE_SUFFIXES or reads(path)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return a distinct name of each image: its stem, numbered where an earlier one has it.

    Args:
        paths: The images.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        name, number = path.stem, 2
        while name.lower() in taken:
            name, number = f"{path.stem}_{number}", number + 1
        taken.add(name.lower())
        names.append(name)
    return names
