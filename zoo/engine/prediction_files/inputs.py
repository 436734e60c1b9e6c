# SPDX-License-Identifier: Apache-2.0
"""Find the images that files, folders and globs name; each gets its own output name."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from zoo.data import IMAGE_SUFFIXES
from zoo.engine.prediction_files.images import InputImages
from zoo.engine.prediction_files.kept import sorted_paths
from zoo.errors import DataError

__all__ = ["find_inputs"]

_LOG = logging.getLogger(__name__)

_Reads = Callable[[Path], bool] | None


def find_inputs(
    specs: Iterable[str | os.PathLike[str]],
    *,
    suffixes: Iterable[str] = IMAGE_SUFFIXES,
    reads: _Reads = None,
) -> InputImages:
    """Return the images that files, folders and globs name, each once, in the order given.

    A file is accepted whatever its suffix. A folder means the images directly in it, sorted,
    without hidden ones; a warning reports others in its subfolders. A glob (``**`` descends)
    means the images that match; if its last part ends in a suffix, such as ``*.dcm``, it means
    every file that matches.

    Args:
        specs: Paths and patterns; read one by one, as folders and globs are.
        suffixes: Suffixes of images in a folder, lower case, with the dot.
        reads: Called with files of other suffixes; returns whether they are images too.

    Raises:
        DataError: A path does not exist, a folder contains no image, or a glob matches none.
    """
    known = frozenset(suffix.lower() for suffix in suffixes)
    return InputImages(path for spec in specs for path in _expand(os.fspath(spec), known, reads))


def _expand(spec: str, suffixes: frozenset[str], reads: _Reads) -> Iterable[Path]:
    path = Path(spec)
    if path.is_dir():
        return _folder_images(path, suffixes, reads)
    if path.exists():
        return [path]
    if glob.has_magic(spec):
        return _glob_images(spec, suffixes, reads)
    message = f"cannot read {spec!r}: there is no such file or folder."
    raise DataError(message, path=path, hint="give a file, a folder, or a quoted glob.")


def _folder_images(folder: Path, suffixes: frozenset[str], reads: _Reads) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            paths = (folder / entry.name for entry in entries)
            images = sorted_paths(path for path in paths if _is_image(path, suffixes, reads))
            first = next(images, None)
    except OSError as error:
        message = f"cannot read the folder {str(folder)!r}: {error.strerror}."
        raise DataError(message, path=folder) from error
    if first is None:
        message = f"cannot predict on {str(folder)!r}: found no image in it."
        hint = f"images end in {', '.join(sorted(suffixes))}; {_hint_below(folder)}."
        raise DataError(message, path=folder, hint=hint)
    below = _first_below(folder, suffixes, reads)
    if below is not None:
        _LOG.warning(
            "'%s' and other files in subfolders are left out; %s", below, _hint_below(folder)
        )
    return chain([first], images)


def _hint_below(folder: Path) -> str:
    return f"to include subfolders, give '{folder}/**/*' in quotes"


def _first_below(folder: Path, suffixes: frozenset[str], reads: _Reads) -> Path | None:
    """Return an image in a subfolder, if any."""
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in sorted(name for name in found if not name.startswith(".")):
        for root, subfolders, files in os.walk(folder / name):
            if "predictions.json" in files:
                subfolders.clear()  # what `zoo predict` wrote
                continue
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            paths = (Path(root, name) for name in sorted(files))
            image = next((path for path in paths if _is_image(path, suffixes, reads)), None)
            if image is not None:
                return image
    return None


def _glob_images(pattern: str, suffixes: frozenset[str], reads: _Reads) -> Iterable[Path]:
    last = os.path.splitext(pattern)[1]
    is_open = not last or glob.has_magic(last)
    matches = (Path(match) for match in glob.iglob(pattern, recursive=True))
    files = sorted_paths(
        path
        for path in matches
        if path.is_file() and (not is_open or _is_image(path, suffixes, reads))
    )
    first = next(files, None)
    if first is None:
        message = f"cannot predict on {pattern!r}: the pattern matches no image."
        raise DataError(message, where=pattern, hint="check it with ls; ** descends into folders.")
    return chain([first], files)


def _is_image(path: Path, suffixes: frozenset[str], reads: _Reads) -> bool:
    # macOS leaves "._x.png" beside x.png on other file systems.
    if path.name.startswith(".") or path.is_dir():
        return False
    if path.suffix.lower() in suffixes:
        return True
    # Never read a pipe here: it may block forever.
    return reads is not None and path.is_file() and reads(path)
