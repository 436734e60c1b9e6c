# SPDX-License-Identifier: Apache-2.0
"""Find the images that files, folders and globs name; each gets its own output name."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.data import IMAGE_SUFFIXES
from zoo.errors import DataError

__all__ = ["InputImage", "find_inputs"]

_LOG = logging.getLogger(__name__)

_Reads = Callable[[Path], bool] | None


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image to predict.

    Args:
        path: Its path, as the user wrote it.
        name: The start of its outputs' names, unique among the inputs.
    """

    path: Path
    name: str


def find_inputs(
    specs: Sequence[str | os.PathLike[str]],
    *,
    suffixes: Iterable[str] = IMAGE_SUFFIXES,
    reads: _Reads = None,
) -> tuple[InputImage, ...]:
    """Return the images that files, folders and globs name, each once, in the order given.

    A file is accepted whatever its suffix. A folder means the images directly in it, sorted,
    without hidden ones; a warning reports others in its subfolders. A glob (``**`` descends)
    means the images that match; if its last part ends in a suffix, such as ``*.dcm``, it means
    every file that matches.
    An image's output name is its stem; equal stems get as much of their folders, then of their
    suffix, as distinguishes them: ``a/x.png`` and ``b/x.png`` become ``a_x`` and ``b_x``.

    Args:
        specs: Paths and patterns.
        suffixes: Suffixes of images in a folder, lower case, with the dot.
        reads: Called with files of other suffixes; returns whether they are images too.

    Raises:
        DataError: A path does not exist, a folder contains no image, or a glob matches none.
    """
    known = frozenset(suffix.lower() for suffix in suffixes)
    found: dict[str, Path] = {}
    for spec in specs:
        for path in _expand(os.fspath(spec), known, reads):
            found.setdefault(os.path.realpath(path), path)
    paths = list(found.values())
    return tuple(InputImage(path, name) for path, name in zip(paths, _names(paths), strict=True))


def _expand(spec: str, suffixes: frozenset[str], reads: _Reads) -> list[Path]:
    path = Path(spec)
    if path.is_dir():
        return _folder_images(path, suffixes, reads)
    if path.exists():
        return [path]
    if glob.has_magic(spec):
        return _glob_images(spec, suffixes, reads)
    message = f"cannot read {spec!r}: there is no such file or folder."
    raise DataError(message, path=path, hint="give a file, a folder, or a quoted glob.")


def _folder_images(folder: Path, suffixes: frozenset[str], reads: _Reads) -> list[Path]:
    try:
        images = sorted(path for path in folder.iterdir() if _is_image(path, suffixes, reads))
    except OSError as error:
        message = f"cannot read the folder {str(folder)!r}: {error.strerror}."
        raise DataError(message, path=folder) from error
    if not images:
        message = f"cannot predict on {str(folder)!r}: found no image in it."
        hint = f"images end in {', '.join(sorted(suffixes))}; {_hint_below(folder)}."
        raise DataError(message, path=folder, hint=hint)
    below = _first_below(folder, suffixes, reads)
    if below is not None:
        _LOG.warning(
            "'%s' and other files in subfolders are left out; %s", below, _hint_below(folder)
        )
    return images


def _hint_below(folder: Path) -> str:
    return f"to include subfolders, give '{folder}/**/*' in quotes"


def _first_below(folder: Path, suffixes: frozenset[str], reads: _Reads) -> Path | None:
    """Return an image in a subfolder, if any."""
    for root, subfolders, files in os.walk(folder):
        if "predictions.json" in files and Path(root) != folder:
            subfolders.clear()  # what `zoo predict` wrote
            continue
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if Path(root) != folder:
            paths = (Path(root, name) for name in sorted(files))
            found = next((path for path in paths if _is_image(path, suffixes, reads)), None)
            if found is not None:
                return found
    return None


def _glob_images(pattern: str, suffixes: frozenset[str], reads: _Reads) -> list[Path]:
    last = os.path.splitext(pattern)[1]
    is_open = not last or glob.has_magic(last)
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))
    files = [
        path
        for path in matches
        if path.is_file() and (not is_open or _is_image(path, suffixes, reads))
    ]
    if not files:
        message = f"cannot predict on {pattern!r}: the pattern matches no image."
        raise DataError(message, where=pattern, hint="check it with ls; ** descends into folders.")
    return files


def _is_image(path: Path, suffixes: frozenset[str], reads: _Reads) -> bool:
    # macOS leaves "._x.png" beside x.png on other file systems.
    if path.name.startswith(".") or path.is_dir():
        return False
    if path.suffix.lower() in suffixes:
        return True
    # Never read a pipe here: it may block forever.
    return reads is not None and path.is_file() and reads(path)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a unique name for each path, also on disks that ignore case."""
    groups: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        groups.setdefault(path.stem.casefold(), []).append(index)
    names = [path.stem for path in paths]
    for group in groups.values():
        if len(group) > 1:
            spelled = _tell_apart([paths[index] for index in group])
            for index, name in zip(group, spelled, strict=True):
                names[index] = name
    # A lengthened name may equal another file's stem: stems go first, the rest is numbered.
    taken: set[str] = set()
    for index in sorted(range(len(paths)), key=lambda i: names[i] != paths[i].stem):
        names[index] = _unused(names[index], taken)
        taken.add(names[index].casefold())
    return names


def _tell_apart(paths: Sequence[Path]) -> list[str]:
    """Name paths with the same stem by the fewest folders, or folders and suffix, that differ."""
    folders = [Path(os.path.realpath(path)).parent.parts[1:] for path in paths]
    depths = range(1, max(len(parts) for parts in folders) + 1)
    names = [path.stem for path in paths]
    for depth, with_suffix in [*((d, False) for d in depths), *((d, True) for d in (0, *depths))]:
        names = []
        for path, parts in zip(paths, folders, strict=True):
            suffix = path.suffix.replace(".", "_") if with_suffix else ""
            names.append("_".join([*parts[max(0, len(parts) - depth) :], path.stem]) + suffix)
        if len({name.casefold() for name in names}) == len(names):
            break
    return names


def _unused(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
